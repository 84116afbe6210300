import Architectures
import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Towers in a container", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct TowerTests {
    private static let clip = GeneratedFixtures.path("mini-clip")
    private static let regionCLIP = GeneratedFixtures.path("mini-regionclip").appending("regionclip_narrow.pth")

    /// A language model with projections for the features of these towers.
    private func model(_ change: (inout TinyModel) -> Void = { _ in }) throws -> Checkpoint {
        var model = TinyModel()
        model.extra = [
            ("model.mm_projector.weight", [64, 64]), ("model.mm_projector.bias", [64]),
            ("model.prompt_projector.weight", [64, 640]), ("model.prompt_projector.bias", [64]),
        ]
        change(&model)
        return try model.checkpoint()
    }

    private func values(_ name: TensorName, of source: any TensorSource) throws -> [Float] {
        let tensor = try #require(source.tensor(named: name))
        return unpacked(try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor), tensor.elementType)
    }

    /// A tower's weights with some of them changed.
    private func opening(
        _ path: FilePath, _ change: (inout [TensorDescription]) throws -> Void
    ) throws -> Checkpoint {
        let checkpoint = try CheckpointSource.open(path)
        var source = AlteredSource(checkpoint.weights)
        try change(&source.tensors)
        return try checkpoint.with(weights: source)
    }

    @Test(
        "matrices become f16 and vectors keep their type, or all is f32; every number is that of the checkpoint",
        arguments: [TensorEncoding.q4, .plain(.f16), .plain(.f32)])
    func types(type: TensorEncoding) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        let towers = [try Tower.vision(opening: Self.clip), try Tower.region(opening: Self.regionCLIP)]
        _ = try Quantize.write(model(), towers: towers, to: path, options: QuantizeOptions(type: type))
        let container = try Container(opening: path)
        _ = try container.verify()
        let source = try ContainerSource(container)
        for (file, prefix) in [(Self.clip, "vision_tower."), (Self.regionCLIP, "region_encoder.")] {
            let original = try CheckpointSource.open(file).weights
            let stored = try container.tensors().filter { $0.name.rawValue.hasPrefix(prefix) }
            #expect(stored.count == (prefix == "vision_tower." ? 71 : 434))
            for tensor in stored {
                let name = TensorName(String(tensor.name.rawValue.dropFirst(prefix.count)))
                #expect(try values(tensor.name, of: source) == values(name, of: original), "\(name)")
                let isWide = type == .plain(.f32) || tensor.shape.rank < 2
                #expect(tensor.encoding == .plain(isWide ? .f32 : .f16), "\(name)")
            }
        }
        let metadata = try container.metadata
        #expect(metadata["vision_tower.config"]?["num_hidden_layers"]?.integer == 4)
        #expect(metadata["vision_tower.preprocessor"]?["crop_size"]?.integer == 224)
        #expect(metadata["region_encoder.config"]?["blocks"] == [4, 6, 10, 6])
        #expect(metadata["region_encoder.config"]?["width"]?.integer == 8)
        let sources = try #require(metadata["provenance.sources"]?.array)
        #expect(sources.contains { $0["role"] == "vision tower" && $0["sha256"]?.string?.count == 64 })
        #expect(sources.contains { $0["path"] == "regionclip_narrow.pth" && $0["role"] == "region encoder" })
    }

    @Test("a whole CLIP in a PyTorch file, text half and position numbers included, is the same vision tower")
    func wholeCLIP() throws {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        for name in ["config.json", "pytorch_model.bin"] {
            try files.copyItem(
                atPath: Self.clip.appending(name).string, toPath: folder.path.appending(name).string)
        }
        let (whole, visionOnly) = (try Tower.vision(opening: folder.path), try Tower.vision(opening: Self.clip))
        #expect(whole.weights.tensors.map(\.name) == visionOnly.weights.tensors.map(\.name))
        for tensor in whole.weights.tensors {
            #expect(try values(tensor.name, of: whole.weights) == values(tensor.name, of: visionOnly.weights))
        }
        #expect(
            Set(whole.leftOut) == [
                "logit_scale", "text_model.embeddings.token_embedding.weight", "vision_model.embeddings.position_ids",
                "visual_projection.weight",
            ])
        #expect(visionOnly.leftOut.isEmpty && whole.preprocessor == nil && visionOnly.preprocessor != nil)
        // The configuration of the vision model alone, with defaults left out.
        let config =
            #"{"model_type":"clip_vision_model","hidden_size":64,"intermediate_size":256,"num_hidden_layers":4,"#
            + #""num_attention_heads":4,"patch_size":14}"#
        try Data(config.utf8).write(to: URL(fileURLWithPath: folder.path.appending("config.json").string))
        let plain = try Tower.vision(opening: folder.path)
        #expect(plain.config["image_size"]?.integer == 224 && plain.config["hidden_act"]?.string == "quick_gelu")
    }

    @Test("the towers of a container are kept, and given ones replace them")
    func travelling() throws {
        let folder = try TemporaryFolder()
        let (first, second) = (folder.path.appending("first.pvq"), folder.path.appending("second.pvq"))
        let towers = [try Tower.vision(opening: Self.clip), try Tower.region(opening: Self.regionCLIP)]
        let made = try Quantize.write(
            model(), towers: towers, to: first, options: QuantizeOptions(type: .plain(.f16)))
        let travelling = try Tower.all(inContainer: first)
        #expect(travelling.map(\.kind) == [.vision, .region])
        let again = try Quantize.write(
            ModelSource.open(first), towers: travelling, to: second, options: QuantizeOptions(type: .plain(.f16)))
        #expect(again.digest == made.digest)
        for key in ["vision_tower.config", "vision_tower.preprocessor", "region_encoder.config"] {
            #expect(try Container(opening: second).metadata[key] == Container(opening: first).metadata[key])
        }
        let language = try ModelSource.open(first)
        #expect(Set(language.weights.tensors.map(\.name)) == Set(try model().weights.tensors.map(\.name)))
        #expect(try Tower.all(inContainer: Self.regionCLIP).isEmpty && Tower.all(inContainer: Self.clip).isEmpty)
    }

    @Test("the vision tower of a CLIP whose configuration does not name its vision model comes back from a container")
    func unnamedConfiguration() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        let clip = try CheckpointSource.open(Self.clip)
        var config = try #require(clip.config)
        var vision = try #require(config["vision_config"]?.object)
        vision["model_type"] = nil
        config["vision_config"] = .object(vision)
        let tower = try #require(try Tower.recognise(clip.with(config: config)))
        _ = try Quantize.write(model(), towers: [tower], to: path, options: QuantizeOptions())
        #expect(try Container(opening: path).metadata["vision_tower.config"]?["model_type"] == "clip_vision_model")
        #expect(try Tower.all(inContainer: path).map(\.kind) == [.vision])
    }

    @Test("in q8, matrices and kernels are within half a step of the checkpoint's, and come back in its order")
    func quantized() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        let towers = try [Tower.vision(opening: Self.clip), Tower.region(opening: Self.regionCLIP)].map {
            try $0.quantized()
        }
        _ = try Quantize.write(model(), towers: towers, to: path, options: QuantizeOptions())
        let container = try Container(opening: path)
        _ = try container.verify()
        #expect(try container.metadata["provenance.recipe"]?["tower_type"] == "q8")
        let stored = try container.tensors()
        func shape(_ name: TensorName) -> [Int]? {
            stored.first { $0.name == name && $0.encoding == .q8 }?.shape.dimensions
        }
        #expect(shape("vision_tower.vision_model.encoder.layers.0.mlp.fc2.weight") == [64, 256])
        #expect(shape("region_encoder.backbone.layer3.1.conv2.weight") == [32, 3, 3, 32])
        #expect(shape("region_encoder.backbone.layer3.1.conv1.weight") == [32, 1, 1, 128])
        // First and last layers stay floats, and kernels of few channels, which padding would make much larger.
        for name in ["conv3", "layer2.1.conv2", "attnpool.q_proj"] {
            #expect(shape(TensorName("region_encoder.backbone.\(name).weight")) == nil)
        }
        #expect(shape("vision_tower.vision_model.embeddings.position_embedding.weight") == nil)

        let again = try Tower.all(inContainer: path)
        for (tower, file) in zip(again, [Self.clip, Self.regionCLIP]) {
            #expect(tower.comesQuantized)
            let original = try CheckpointSource.open(file).weights
            var changed = 0
            for tensor in tower.weights.tensors {
                let name = TensorName(String(tensor.name.rawValue.dropFirst(tower.kind.prefix.count)))
                let expected = try #require(original.tensor(named: name))
                #expect(tensor.shape == expected.shape, "\(name)")
                let numbers = try values(tensor.name, of: tower.weights)
                let originals = try values(name, of: original)
                if numbers != originals { changed += 1 }
                let largest = originals.map(abs).max() ?? 0
                #expect(largestDistance(numbers, originals) <= largest / 120, "\(name)")
            }
            #expect(changed == towers.first { $0.kind == tower.kind }?.quantizedNames.count)
        }
    }

    @Test("missing, misshaped and unexpected tensors are named")
    func inventory() throws {
        let missing = try opening(Self.regionCLIP) { $0.removeAll { $0.name == "backbone.layer3.4.bn2.running_var" } }
        let misshaped = try opening(Self.clip) { tensors in
            let place = try #require(tensors.firstIndex { $0.name.rawValue.hasSuffix("layers.1.mlp.fc1.weight") })
            tensors[place] = try TensorDescription(
                name: tensors[place].name, elementType: .f32, shape: try #require(Shape([128, 128])))
        }
        let unexpected = try opening(Self.clip) { tensors in
            tensors.append(
                try TensorDescription(
                    name: "vision_model.encoder.layers.4.mlp.fc1.bias", elementType: .f32,
                    shape: try #require(Shape([256]))))
        }
        for (checkpoint, words) in [
            (missing, ["missing: backbone.layer3.4.bn2.running_var"]),
            (misshaped, ["of another shape", "layers.1.mlp.fc1.weight is [128, 128], not [256, 64]"]),
            (unexpected, ["unexpected: vision_model.encoder.layers.4.mlp.fc1.bias"]),
        ] {
            let error = #expect(throws: PVITError.self) { try Tower.recognise(checkpoint) }
            #expect(error?.code == .towerTensors && words.allSatisfy { error?.what.contains($0) == true })
        }
        #expect(throws: PVITError.self) { try Tower.region(opening: Self.clip) }
        #expect(throws: PVITError.self) { try Tower.vision(opening: GeneratedFixtures.path("mini-llama-base-st")) }
        #expect(try Tower.recognise(model()) == nil)
    }

    @Test("towers are refused for a model that has no projection of their features")
    func projections() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        let clip = try Tower.vision(opening: Self.clip)
        for model in [
            try model { $0.extra = [] }, try model { $0.extra[0].shape = [64, 96] }, try model { $0.hidden = 32 },
        ] {
            let error = #expect(throws: PVITError.self) {
                try Quantize.write(model, towers: [clip], to: path, options: QuantizeOptions())
            }
            #expect(error?.code == .towerMismatch && error?.tensor == "model.mm_projector.weight")
        }
        let quantized = try QuantizeOptions.Override(
            parsing: "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight=q8")
        let error = #expect(throws: PVITError.self) {
            try Quantize.write(model(), towers: [clip], to: path, options: QuantizeOptions(overrides: [quantized]))
        }
        #expect(error?.code == .typeNotPossible)
    }

    @Test(
        "a configuration that is not a CLIP's, or has an impossible size, is an error",
        arguments: [
            #"{}"#, #"{"model_type":"llama"}"#, #"{"model_type":"clip_vision_model","hidden_size":0}"#,
            #"{"vision_config":{"num_hidden_layers":1e300}}"#, #"{"vision_config":{"patch_size":4096}}"#,
            #"{"vision_config":{"num_attention_heads":7}}"#, #"{"vision_config":{"num_channels":4}}"#,
        ])
    func configurations(config: String) throws {
        let checkpoint = try CheckpointSource.open(Self.clip)
        let object = try #require(try JSONValue(parsing: Array(config.utf8)).object)
        let error = #expect(throws: PVITError.self) { try Tower.recognise(checkpoint.with(config: object)) }
        #expect(error?.code == .towerConfig)
    }
}
