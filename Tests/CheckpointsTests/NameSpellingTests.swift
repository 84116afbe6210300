import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing

/// Every reader takes the composed and the decomposed spelling of a text for two names.
@Suite("Spellings of names in checkpoints")
struct NameSpellingTests {
    private typealias P = PickleBytes
    private let composed = "caf\u{E9}"
    private let decomposed = "cafe\u{301}"

    /// Expects one element, 1 and 2, under each of the two names.
    private func expectBoth(_ source: any TensorSource) throws {
        #expect(source.tensors.count == 2)
        for (name, value) in [(composed, Float(1)), (decomposed, 2)] {
            let tensor = try #require(source.tensor(named: TensorName(name)))
            #expect(try source.bytes(ofRows: 0..<1, of: tensor) == littleEndianBytes(value))
        }
    }

    private let data = littleEndianBytes(1) + littleEndianBytes(2)

    @Test("safetensors")
    func safetensors() throws {
        let folder = try TemporaryFolder()
        let header =
            #"{"\#(composed)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
            + #""\#(decomposed)":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
        let bytes = safetensorsBytes(header: header, data: data)
        try expectBoth(CheckpointSource.open(folder.write("model.safetensors", bytes)).weights)
    }

    @Test("safetensors shards with an index")
    func shards() throws {
        let folder = try TemporaryFolder()
        let names = [composed, decomposed]
        for (number, name) in names.enumerated() {
            let header = #"{"\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
            let bytes = safetensorsBytes(header: header, data: littleEndianBytes(Float(number + 1)))
            try folder.write("\(name).safetensors", bytes)
        }
        let map = names.map { #""\#($0)":"\#($0).safetensors""# }.joined(separator: ",")
        try folder.write("model.safetensors.index.json", #"{"weight_map":{\#(map)}}"#)
        try expectBoth(CheckpointSource.open(folder.path).weights)
        try folder.remove("\(decomposed).safetensors")
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(error.code == .missingShards)
    }

    @Test("PyTorch archives")
    func torch() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.pth", torchBytes([(composed, [1], [1]), (decomposed, [1], [2])]))
        try expectBoth(TorchFile(path: path))
    }

    @Test("PyTorch storages")
    func torchStorages() throws {
        let folder = try TemporaryFolder()
        let object = P.dictionary(
            (composed, P.tensor(P.storage(key: composed, count: 1), sizes: [1], strides: [1])),
            (decomposed, P.tensor(P.storage(key: decomposed, count: 1), sizes: [1], strides: [1])))
        var archive = ZipBytes(pickle: P.pickle(object))
        archive.entries.append(ZipBytes.Entry("archive/data/\(composed)", littleEndianBytes(1)))
        archive.entries.append(ZipBytes.Entry("archive/data/\(decomposed)", littleEndianBytes(2)))
        try expectBoth(TorchFile(path: folder.write("a.pth", archive.bytes)))
    }

    @Test("a mark that joins the separator of a prefix does not hide the prefix")
    func joinedSeparator() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.pth", torchBytes([("module.\u{301}a", [1], [1]), ("module.b", [1], [2])]))
        #expect(try TorchFile(path: path).tensors.map(\.name).sorted() == ["b", "\u{301}a"])
    }

    @Test("GGUF tensors and keys")
    func gguf() throws {
        let folder = try TemporaryFolder()
        var file = GGUFBytes()
        file.pairs = [
            GGUFBytes.pair("general.architecture", "llama"), GGUFBytes.pair(composed, UInt32(1)),
            GGUFBytes.pair(decomposed, UInt32(2)),
        ]
        file.add(composed, .f32, [1], littleEndianBytes(1))
        file.add(decomposed, .f32, [1], littleEndianBytes(2))
        let opened = try GGUFFile(path: folder.write("a.gguf", file.bytes))
        try expectBoth(opened)
        #expect(try opened.integer(composed) == 1 && opened.integer(decomposed) == 2)
    }
}
