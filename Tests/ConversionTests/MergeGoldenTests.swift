import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Merging generated checkpoints", .needsFixtures)
struct MergeGoldenTests {
    private func merged() throws -> DeltaMerge.Result {
        try DeltaMerge.merge(
            base: CheckpointSource.open(GeneratedFixtures.path("mini-llama-base-st")),
            delta: CheckpointSource.open(GeneratedFixtures.path("mini-pvit-delta-st")))
    }

    @Test(
        "every merged tensor has the bits that PVIT's own merge gives, whatever the formats of base and delta",
        arguments: [
            ("mini-llama-base-st", "mini-pvit-delta-st"), ("mini-llama-base-st", "mini-pvit-delta"),
            ("mini-llama-base", "mini-pvit-delta"), ("mini-llama-meta", "mini-pvit-delta"),
            ("mini-llama-meta-mp2", "mini-pvit-delta"), ("mini-llama-meta-mp2", "mini-pvit-delta-st"),
        ])
    func mergedTensors(base: String, delta: String) throws {
        let expected = try #require(try golden("merged_sha256")["tensors"]?.object)
        let result = try DeltaMerge.merge(
            base: CheckpointSource.open(GeneratedFixtures.path(base)),
            delta: CheckpointSource.open(GeneratedFixtures.path(delta)))
        let weights = result.checkpoint.weights
        #expect(Set(weights.tensors.map(\.name.rawValue)) == Set(expected.members.map(\.key)))
        for tensor in weights.tensors {
            let entry = expected[tensor.name.rawValue]
            #expect(entry?["shape"]?.array?.map(\.integer) == tensor.shape.dimensions)
            #expect(try digest(of: tensor, in: weights) == entry?["sha256"]?.string, "\(tensor.name)")
        }
        #expect(
            result.passedThrough.map(\.rawValue).sorted() == [
                "model.bbox_fc.bias", "model.bbox_fc.weight", "model.mm_projector.bias", "model.mm_projector.weight",
                "model.prompt_projector.bias", "model.prompt_projector.weight",
            ])
        #expect(result.extended.map(\.baseRows) == [32000, 32000])
    }

    @Test("a merged checkpoint that was written in shards reads back with the same bits, tokenizer and sizes")
    func writtenMerge() throws {
        let folder = try TemporaryFolder()
        let output = folder.path.appending("merged")
        let result = try merged()
        try HuggingFaceWriter(shardSize: ByteCount(10_000_000)).write(result.checkpoint, to: output)
        #expect(try folder.entries == ["merged"])
        let read = try CheckpointSource.open(output)
        #expect(read.sourceFiles.count > 2)
        let expected = try #require(try golden("merged_sha256")["tensors"]?.object)
        for tensor in read.weights.tensors {
            #expect(try digest(of: tensor, in: read.weights) == expected[tensor.name.rawValue]?["sha256"]?.string)
        }
        for (key, value) in try golden("merged_config").object?.members.map({ ($0.key, $0.value) }) ?? [] {
            guard let own = read.config?[key] else { continue }
            if key != "transformers_version" { #expect(own == value, "\(key)") }
        }
        let delta = GeneratedFixtures.path("mini-pvit-delta-st")
        for name in ["tokenizer.model", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"] {
            #expect(try contents(of: output.appending(name)) == contents(of: delta.appending(name)))
        }
    }
}
