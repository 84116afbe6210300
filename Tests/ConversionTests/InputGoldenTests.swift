import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import Tensors
import Testing

@Suite("Checkpoints of every format", .needsFixtures)
struct InputGoldenTests {
    @Test(
        "the same weights have the same bits in every format, read in chunks of any size",
        arguments: [
            ("mini-llama-base", "base"), ("mini-llama-base-st", "base"), ("mini-llama-meta", "base"),
            ("mini-llama-meta-mp2", "base"), ("mini-pvit-delta", "delta"), ("mini-pvit-delta-st", "delta"),
        ])
    func inputs(folder: String, role: String) throws {
        let expected = try #require(try golden("inputs_sha256")[role]?.object)
        let weights = try CheckpointSource.open(GeneratedFixtures.path(folder)).weights
        let tensors = weights.tensors.filter { !$0.name.rawValue.hasSuffix("rotary_emb.inv_freq") }
        #expect(Set(tensors.map(\.name.rawValue)) == Set(expected.members.map(\.key)))
        for tensor in tensors {
            let entry = expected[tensor.name.rawValue]
            #expect(tensor.shape.dimensions == entry?["shape"]?.array?.compactMap(\.integer))
            #expect(tensor.elementType == .f16)
            for rowsPerPiece in tensor.shape.rows > 1000 ? [9001] : [tensor.shape.rows, 7] {
                let digest = try digest(of: tensor, in: weights, rowsPerPiece: rowsPerPiece)
                #expect(digest == entry?["sha256"]?.string, "\(tensor.name)")
            }
        }
    }

    @Test(
        "the configuration made for a Meta folder is that of the Hugging Face folder",
        arguments: ["mini-llama-meta", "mini-llama-meta-mp2"])
    func metaConfiguration(folder: String) throws {
        let ours = try #require(try CheckpointSource.open(GeneratedFixtures.path(folder)).config)
        let theirs = try #require(try CheckpointSource.open(GeneratedFixtures.path("mini-llama-base")).config)
        for key in [
            "architectures", "model_type", "hidden_act", "hidden_size", "intermediate_size", "num_hidden_layers",
            "num_attention_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings",
            "torch_dtype", "bos_token_id", "eos_token_id",
        ] {
            #expect(ours[key] == theirs[key], "\(key)")
        }
    }

    @Test("the weights of CLIP and RegionCLIP are read, and what is saved beside them is left out")
    func visionTowers() throws {
        let clip = try CheckpointSource.open(GeneratedFixtures.path("mini-clip/pytorch_model.bin")).weights
        let reference = try CheckpointSource.open(GeneratedFixtures.path("mini-clip/model.safetensors")).weights
        for tensor in reference.tensors {
            let other = try #require(clip.tensor(named: tensor.name))
            #expect(other == tensor)
            #expect(try digest(of: other, in: clip) == digest(of: tensor, in: reference))
        }
        let positions = try #require(clip.tensor(named: "vision_model.embeddings.position_ids"))
        #expect(positions.elementType == .i64)
        #expect(clip.tensor(named: "logit_scale")?.shape.rank == 0)

        let path = GeneratedFixtures.path("mini-regionclip/regionclip_narrow.pth")
        let region = try TorchFile(path: path)
        let names = region.tensors.map(\.name.rawValue)
        #expect(names.contains("backbone.layer3.0.conv1.weight"))
        #expect(!names.contains { $0.hasPrefix("model.") || $0.contains("iteration") })
        try verify(region)
    }
}
