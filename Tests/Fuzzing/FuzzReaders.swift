import Glibc
import Storage

/// One function for each reader, by its name on the command line and of its folder in `Corpus/`.
private let readers: [(name: String, read: @Sendable ([UInt8]) throws -> Void)] = [
    ("safetensors", readSafetensors), ("torch", readTorch), ("gguf", readGGUF),
    ("imatrix", readImportanceMatrix), ("container", readContainer),
    ("json", readJSON), ("sentencepiece", readSentencePiece), ("tokenizer-json", readTokenizerJSON),
    ("chat-template", readChatTemplate), ("images", readImage), ("configurations", readConfigurations),
    ("json-schema", readJSONSchema),
]

/// The reader that this run is about. libFuzzer calls C functions, which cannot capture it.
nonisolated(unsafe) private var read: @Sendable ([UInt8]) throws -> Void = { _ in }

/// Called by libFuzzer's `main` at the start: takes the reader's name from `READER [OPTION…] [CORPUS…]`. Without a name
/// it prints all names.
@_cdecl("LLVMFuzzerInitialize")
public func chooseReader(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let name = count.pointee > 1 ? arguments.pointee[1].map { String(cString: $0) } : nil
    guard let reader = readers.first(where: { $0.name == name }) else {
        for reader in readers { print(reader.name) }
        exit(name == nil ? 0 : 64)
    }
    read = reader.read
    arguments.pointee[1] = arguments.pointee[0]
    arguments.pointee += 1
    count.pointee -= 1
    return 0
}

/// Called by libFuzzer for each input. A reader may succeed, or fail with an error about its data; all else ends the
/// process.
@_cdecl("LLVMFuzzerTestOneInput")
public func readOne(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    do {
        try read(Array(UnsafeBufferPointer(start: data, count: count)))
    } catch let error as PVITError where [.badData, .missingInput].contains(error.code.category) {
        return 0
    } catch {
        fatalError("an error that is not about the data: \(error)")
    }
    return 0
}
