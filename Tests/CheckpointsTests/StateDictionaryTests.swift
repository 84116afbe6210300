import Checkpoints
import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Which tensors of a PyTorch file are weights")
struct StateDictionaryTests {
    private typealias P = PickleBytes

    /// The names of the weights in a file with this object and two elements of storage.
    private func names(_ object: [UInt8]) throws -> [String] { try file(object).tensors.map(\.name.rawValue).sorted() }

    private func file(_ object: [UInt8]) throws -> TorchFile {
        let folder = try TemporaryFolder()
        return try TorchFile(
            path: folder.write(
                "file.pth", ZipBytes(pickle: P.pickle(object), storages: [[0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]]).bytes))
    }

    private let weight = P.vector(2)

    @Test("a dictionary of tensors is the weights; numbers and texts in it are passed over")
    func flat() throws {
        #expect(
            try names(P.dictionary(("b", weight), ("a", weight), ("n", P.integer(3)), ("t", P.text("x")))) == [
                "a", "b",
            ])
    }

    @Test(
        "weights are found in the usual wrappers",
        arguments: ["model", "state_dict", "model_state_dict", "module"])
    func wrapped(name: String) throws {
        let object = P.dictionary(
            (name, P.dictionary(("w", weight))), ("optimizer", P.dictionary(("exp_avg", weight))),
            ("epoch", P.integer(3)),
            ("best", weight))
        #expect(try names(object) == ["w"])
        #expect(try file(object).skippedTensorCount == 2)
        #expect(try names(P.dictionary(("state_dict", P.dictionary(("model", P.dictionary(("w", weight))))))) == ["w"])
    }

    @Test("a member with such a name but without tensors is not a wrapper")
    func emptyWrapper() throws {
        #expect(try names(P.dictionary(("model", P.dictionary(("name", P.text("x")))), ("w", weight))) == ["w"])
        #expect(try names(P.dictionary(("model", P.text("llama")), ("w", weight))) == ["w"])
    }

    @Test("dictionaries inside are flattened, except those of an optimizer or a schedule")
    func nested() throws {
        let object = P.dictionary(
            ("net", P.dictionary(("layer", P.dictionary([(P.text("w"), weight), (P.integer(7), weight)])))),
            ("optimizer_state", P.dictionary(("w", weight))), ("lr_sched", P.dictionary(("w", weight))))
        #expect(try names(object) == ["net.layer.7", "net.layer.w"])
    }

    @Test("the prefix of DataParallel is left out when every name has it")
    func dataParallel() throws {
        #expect(try names(P.dictionary(("module.a", weight), ("module.b", weight))) == ["a", "b"])
        #expect(try names(P.dictionary(("module.a", weight), ("b", weight))) == ["b", "module.a"])
    }

    // Saved by torch 1.13.
    @Test("the extra state of modules is passed over, be it a stream of bytes, a dictionary, nothing or a tensor")
    func extraState() throws {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/extra_state", ofType: "bin"))
        let file = try TorchFile(path: FilePath(path))
        #expect(file.tensors.map(\.name) == ["model.norm.weight"])
    }

    @Test("names that become equal are refused")
    func ambiguous() throws {
        let object = P.dictionary(("a.b", weight), ("a", P.dictionary(("b", weight))))
        let error = try #require(throws: PVITError.self) { try file(object) }
        #expect(error.code == .torchDuplicateName && error.tensor == "a.b")
    }

    @Test("unsupported element types outside of the weights do not matter")
    func skippedTypes() throws {
        let complex = P.tensor(P.storage("ComplexDoubleStorage", key: "9", count: 4), sizes: [4], strides: [1])
        #expect(try names(P.dictionary(("model", P.dictionary(("w", weight))), ("fft", complex))) == ["w"])
    }

    @Test("tensors of untyped storages have the type that they name")
    func typedTensors() throws {
        let tensor = P.call(
            P.global("torch._utils", "_rebuild_tensor_v3"), P.storage("UntypedStorage", count: 8), P.integer(1),
            P.tuple(P.integer(1)), P.tuple(P.integer(1)), [0x89], P.call(P.global("collections", "OrderedDict")),
            P.global("torch", "float32"))
        let file = try file(P.dictionary(("w", tensor)))
        #expect(file.tensors.first?.elementType == .f32)
        #expect(try file.bytes(ofRows: 0..<1, of: file.tensors[0]) == [0, 0, 0, 0x40])
    }

    @Test("a view of a storage, as in the oldest files, begins at its offset")
    func storageParts() throws {
        let storage =
            P.tuple(
                P.text("storage"), P.global("torch", "FloatStorage"), P.text("0"), P.text("cpu"), P.integer(2),
                P.tuple(P.text("view"), P.integer(1), P.integer(1))) + [0x51]
        let file = try file(P.dictionary(("w", P.tensor(storage, sizes: [1], strides: [1]))))
        #expect(try file.bytes(ofRows: 0..<1, of: file.tensors[0]) == [0, 0, 0, 0x40])
        let outside = P.tensor(storage, offset: 1, sizes: [1], strides: [1])
        #expect(throws: PVITError.self) { try self.file(P.dictionary(("w", outside))) }
    }
}

@Suite("Folders with PyTorch files")
struct TorchFolderTests {
    private func weights(_ names: String...) -> [UInt8] { torchBytes(names.map { ($0, [1], [1]) }) }

    private func error(_ folder: TemporaryFolder) throws -> PVITError {
        try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
    }

    @Test("shards are joined by their index; absent and misplaced ones are named")
    func shards() throws {
        let folder = try TemporaryFolder()
        try folder.write("pytorch_model-00001-of-00002.bin", weights("a", "b"))
        let map = [
            "a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00001-of-00002.bin",
            "c": "pytorch_model-00002-of-00002.bin",
        ]
        let list = map.map { "\"\($0.key)\":\"\($0.value)\"" }.sorted().joined(separator: ",")
        try folder.write("pytorch_model.bin.index.json", "{\"weight_map\":{\(list)}}")
        try folder.write("training_args.bin", "not weights")
        let missing = try error(folder)
        #expect(missing.code == .missingShards)
        #expect("\(missing)".contains("1 of 2 shards are absent: pytorch_model-00002-of-00002.bin"))
        try folder.write("pytorch_model-00002-of-00002.bin", weights("d"))
        let misplaced = try error(folder)
        #expect(misplaced.code == .shardMismatch && misplaced.tensor == "c")
        try folder.write("pytorch_model-00002-of-00002.bin", weights("c"))
        let checkpoint = try CheckpointSource.open(folder.path)
        #expect(checkpoint.format == "2 PyTorch shards")
        #expect(checkpoint.weights.tensors.map(\.name) == ["a", "b", "c"])
    }

    @Test("safetensors come before .bin, and a single .bin beside the files of a training is found")
    func preference() throws {
        let folder = try TemporaryFolder()
        try folder.write("optimizer.bin", weights("exp_avg"))
        try folder.write("adapter.bin", weights("x"))
        #expect(try CheckpointSource.open(folder.path).weights.tensors.map(\.name) == ["x"])
        try folder.write("pytorch_model.bin", weights("a"))
        #expect(try CheckpointSource.open(folder.path).format == "PyTorch")
        try folder.write(
            "model.safetensors",
            safetensorsBytes(header: #"{"s":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, data: [1]))
        #expect(try CheckpointSource.open(folder.path).weights.tensors.map(\.name) == ["s"])
    }

    @Test("a folder with only a .pth file is refused with the advice to give the file")
    func bareFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("encoder.pth", weights("a"))
        #expect("\(try error(folder))".contains("encoder.pth"))
        #expect(try CheckpointSource.open(path).weights.tensors.map(\.name) == ["a"])
    }
}
