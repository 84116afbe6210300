import Architectures
import Checkpoints
import CheckpointTestSupport
import Compute
import Container
import Storage
import Tensors
import Testing

@testable import Vision

@Suite("CLIP's vision tower", .needsFixtures)
struct CLIPVisionTowerTests {
    static func pixels() throws -> [Float] {
        let samples = try NumpyArray(fixture: "towers/clip/pixels_u8").values
        let (mean, deviation) = (ChannelStatistics.clip.mean, ChannelStatistics.clip.standardDeviation)
        return samples.enumerated().map { index, sample in
            (sample / 255 - mean[index / (224 * 224)]) / deviation[index / (224 * 224)]
        }
    }

    static func tower(_ container: TowerContainer, threads: Int = 2) throws -> CLIPVisionTower {
        try CLIPVisionTower(in: container.container, engine: ComputeEngine(threadCount: threads))
    }

    @Test("every hidden state agrees with the original within 5e-5")
    func hiddenStates() throws {
        let tower = try Self.tower(.clip())
        let expected = try NumpyArray(fixture: "towers/clip/clip_hidden_states")
        let pixels = try Self.pixels()
        let count = expected.shape[1] * expected.shape[2]
        for layer in 0..<tower.configuration.layerCount {
            let state = try tower.hiddenState(of: pixels, after: layer).values()
            #expect(largestDistance(state, Array(expected.values[layer * count..<(layer + 1) * count])) < 5e-5)
        }
    }

    @Test("the features are the second to last hidden state without the class token")
    func features() throws {
        let features = try Self.tower(.clip()).features(of: Self.pixels())
        #expect(features.rows == 256 && features.columns == 64)
        #expect(try largestDistance(features.values(), NumpyArray(fixture: "towers/clip/clip_features").values) < 5e-5)
    }

    @Test("with weights in 8 bits, the cosine between the features and the original's is at least 0.9995")
    func quantized() throws {
        let container = try TowerContainer(quantized: .vision(opening: GeneratedFixtures.path("mini-clip")))
        let features = try Self.tower(container).features(of: Self.pixels()).values()
        let expected = try NumpyArray(fixture: "towers/clip/clip_features").values
        #expect(largestDistance(features, expected) > 1e-4, "the weights are not quantized")
        #expect(cosine(features, expected) >= 0.9995)
        #expect(try Self.tower(container, threads: 3).features(of: Self.pixels()).values() == features)
    }

    @Test("results do not depend on threads, on the type of exact weights or on compression")
    func sameBits() throws {
        let pixels = try Self.pixels()
        let once = try Self.tower(.clip(), threads: 1).features(of: pixels).values()
        let thrice = try Self.tower(.clip(type: .f16, compression: .zstd), threads: 3).features(of: pixels).values()
        #expect(once == thrice)
    }

    @Test("an image of another size is refused")
    func wrongInput() throws {
        let tower = try Self.tower(.clip())
        let error = #expect(throws: PVITError.self) { try tower.features(of: [0, 1, 2]) }
        #expect(error?.code == .visionInput)
    }

    @Test("a tensor that does not match the configuration is named")
    func wrongShape() throws {
        let wrong = "vision_model.encoder.layers.1.mlp.fc1.weight"
        let container = try TowerContainer.clip { $0.name.rawValue == wrong ? Shape([64, 256]) : $0.shape }
        let error = #expect(throws: PVITError.self) { try Self.tower(container) }
        #expect(error?.code == .tensorMismatch && error?.tensor == TensorName("vision_tower.\(wrong)"))
        let absent = try TowerContainer.clip { $0.name.rawValue == wrong ? nil : $0.shape }
        let other = #expect(throws: PVITError.self) { try Self.tower(absent) }
        #expect(other?.code == .tensorNotFound && other?.tensor == TensorName("vision_tower.\(wrong)"))
    }

    @Test(
        "an invalid configuration is refused",
        arguments: [
            ("hidden_size", JSONValue.integer(0)), ("num_attention_heads", 3), ("patch_size", 225),
            ("image_size", "large"),
            ("hidden_act", "gelu"), ("layer_norm_eps", -1.0),
        ])
    func configuration(member: String, value: JSONValue) throws {
        var json: JSONObject = ["hidden_size": 64, "num_attention_heads": 4, "image_size": 224, "patch_size": 14]
        _ = try CLIPVisionConfiguration(parsing: json)
        json[member] = value
        let error = #expect(throws: PVITError.self) { try CLIPVisionConfiguration(parsing: json) }
        #expect(error?.code == (member == "hidden_act" ? .visionUnsupported : .visionConfig))
    }
}
