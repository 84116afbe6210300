import Storage
import SystemPackage
import Tensors

/// The folders in which Meta publishes LLaMA: `params.json` and 1 to 8 files `consolidated.NN.pth`.
enum MetaFolder {
    static let parametersName = "params.json"
    /// The most files that are joined.
    static let maximumFileCount = 8

    /// Whether the folder has files of this layout.
    static func isOne(entries: [String]) -> Bool { entries.contains { fileNumber($0) != nil } }

    /// Opens a folder.
    ///
    /// `config.json` is made from `params.json` and the shapes of the tensors. `tokenizer.model` may lie beside the
    /// files or one folder above, as in the first release.
    ///
    /// - Throws: `checkpoint.missing-shards`, a `meta.*` error, and the errors of PyTorch files.
    static func open(_ folder: FilePath, entries: [String]) throws -> Checkpoint {
        let files = try weightFiles(folder, entries: entries)
        guard entries.contains(parametersName) else {
            throw PVITError(
                .fileNotFound, "the folder has consolidated.*.pth files, but no params.json",
                file: folder, remedy: "download params.json into the same folder")
        }
        let parameters = try MetaParameters(path: folder.appending(fileNamed: parametersName))
        let source: MetaSource
        do {
            source = try MetaSource(files, parameters)
        } catch let error as PVITError {
            throw error.located(file: folder)
        }
        guard let embedding = source.tensor(named: "model.embed_tokens.weight"),
            let gate = source.tensor(named: "model.layers.0.mlp.gate_proj.weight")
        else { throw PVITError(.metaTensors, "the folder does not hold a LLaMA model", file: folder) }
        var sideFiles = try SideFiles(in: folder)
        try addTokenizer(to: &sideFiles, folder)
        let config = parameters.config(
            intermediateSize: gate.shape.rows, vocabularySize: embedding.shape.rows, elementType: gate.elementType,
            isTied: source.tensor(named: "lm_head.weight") == nil)
        sideFiles[SideFiles.config] = JSONValue.object(config).encoded(indentation: 2) + [UInt8(ascii: "\n")]
        return try Checkpoint(
            path: folder, format: files.count == 1 ? "Meta LLaMA" : "Meta LLaMA in \(files.count) parts",
            weights: source, sideFiles: sideFiles,
            sourceFiles: files.map { Checkpoint.SourceFile($0) })
    }

    private static func weightFiles(_ folder: FilePath, entries: [String]) throws -> [TorchFile] {
        let numbered = entries.compactMap { name in fileNumber(name).map { (number: $0, name: name) } }
            .sorted { $0.number < $1.number }
        let count = (numbered.last?.number ?? 0) + 1
        guard count <= maximumFileCount else {
            throw PVITError(
                .formatNotReadable, "the model is in \(count) files; at most \(maximumFileCount) are supported",
                file: folder)
        }
        let missing = (0..<count).filter { number in !numbered.contains { $0.number == number } }
        guard missing.isEmpty else {
            throw PVITError(
                .missingShards,
                "\(missing.count) of \(count) files are absent: \(missing.map { "consolidated.0\($0).pth" }.listed())",
                file: folder, remedy: "download the missing files into the same folder")
        }
        return try numbered.map { try TorchFile(path: folder.appending(fileNamed: $0.name)) }
    }

    private static let numberedName = FileNamePattern(#"consolidated\.([0-9][0-9])\.pth"#)

    /// The number in `consolidated.03.pth`, or nil for other names.
    private static func fileNumber(_ name: String) -> Int? {
        numberedName.groups(of: name).flatMap { Int($0[0]) }
    }

    private static func addTokenizer(to files: inout SideFiles, _ folder: FilePath) throws {
        let name = SideFiles.sentencePieceModel
        var path = folder.appending(fileNamed: name)
        if files[name] == nil, files[SideFiles.tokenizerJSON] == nil {
            let above = folder.appending(fileNamed: "..")
            if let entries = try? folderEntries(above), entries.contains(name) {
                path = above.appending(fileNamed: name)
                files[name] = try SideFiles.read(path)
            }
        }
        guard let content = files[name], isTiktoken(content) else { return }
        guard files[SideFiles.tokenizerJSON] != nil else {
            throw PVITError(
                .metaTiktoken,
                "this is LLaMA 3's tokenizer in the format of tiktoken, which is not supported",
                file: path,
                remedy: "put tokenizer.json and tokenizer_config.json of the same model from Hugging Face beside the "
                    + "consolidated.*.pth files")
        }
        files[name] = nil
    }

    /// Whether a file is a list of tokens in Base64 with their numbers, such as `IQ== 0`.
    static func isTiktoken(_ content: [UInt8]) -> Bool {
        let line = content.prefix(1024).prefix { $0 != 0x0A }
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let base64 = { (byte: UInt8) in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): true
            default: false
            }
        }
        return fields.count == 2 && !fields[0].isEmpty && fields[0].count % 4 == 0 && fields[0].allSatisfy(base64)
            && fields[1].allSatisfy { (0x30...0x39).contains($0) } && !fields[1].isEmpty
    }
}
