import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Damaged checkpoints", .slow)
struct SafetensorsFuzzTests {
    private static let seeds = [
        safetensorsBytes(
            header: #"""
                {"__metadata__":{"format":"pt","a\u00e9":"\n"},"b":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]},
                "c":{"dtype":"BF16","shape":[1,1,4],"data_offsets":[12,20]},"d":{"dtype":"I64","shape":[],
                "data_offsets":[20,28]},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[28,28]},
                "f":{"dtype":"U8","shape":[5],"data_offsets":[28,33]}}
                """#, data: [UInt8](0..<33)),
        safetensorsBytes(header: #"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#, data: [UInt8](0..<16)),
        safetensorsBytes(header: "{}        ", data: []),
    ]

    /// Reads everything that a source says it has.
    private func readAll(_ source: any TensorSource) throws {
        for tensor in source.tensors {
            let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            #expect(bytes.count == tensor.byteCount)
        }
    }

    @Test("a damaged safetensors file is read whole or refused with an error about its data, never more")
    func files() throws {
        var budget = FuzzBudget(rounds: 1500)
        var mutator = Mutator(seed: budget.seed)
        let folder = try TemporaryFolder()
        while budget.next() {
            let bytes = mutator.mutate(Self.seeds.randomElement(using: &mutator.random) ?? [])
            let path = try folder.write("model.safetensors", bytes)
            do {
                let file = try SafetensorsFile(path: path)
                let covered = file.tensors.reduce(0) { $0 + $1.byteCount }
                #expect(covered + file.header.dataOffset == bytes.count, "seed \(budget.seed)")
                try readAll(file)
            } catch let error as PVITError {
                #expect(error.code.category == .badData, "seed \(budget.seed): \(error)")
            }
        }
    }

    @Test("a folder with a damaged index or config.json is opened or refused with an error about its data")
    func folders() throws {
        var budget = FuzzBudget(rounds: 600)
        var mutator = Mutator(seed: budget.seed)
        let folder = try TemporaryFolder()
        func shard(_ name: String) -> [UInt8] {
            safetensorsBytes(header: "{\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", data: [7])
        }
        try folder.write("model-1.safetensors", shard("a"))
        try folder.write("model-2.safetensors", shard("b"))
        let index = #"{"metadata":{"total_size":2},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"#
        let config = JSONValue.object(TinyModel().configuration).encoded()
        while budget.next() {
            try folder.write("model.safetensors.index.json", mutator.mutate(Array(index.utf8)))
            try folder.write("config.json", Bool.random(using: &mutator.random) ? mutator.mutate(config) : config)
            do {
                try readAll(CheckpointSource.open(folder.path).weights)
            } catch let error as PVITError {
                #expect([.badData, .missingInput].contains(error.code.category), "seed \(budget.seed): \(error)")
            }
        }
    }
}
