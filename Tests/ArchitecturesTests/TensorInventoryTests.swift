import Foundation
import Storage
import Tensors
import Testing

@testable import Architectures

@Suite("The tensors of each architecture")
struct TensorInventoryTests {
    static let llama: JSONObject = [
        "hidden_size": 8, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 40,
    ]
    static let clip: JSONObject = [
        "model_type": "clip_vision_model", "hidden_size": 8, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 12, "patch_size": 4,
    ]

    /// Names and shapes in `Fixtures/tensors.json`.
    private func published(_ model: String) throws -> [TensorName: [Int]] {
        let url = try #require(Bundle.module.resourceURL?.appendingPathComponent("Fixtures/tensors.json"))
        let json = try JSONValue(parsing: [UInt8](Data(contentsOf: url)))
        let members = try #require(json[model]?.object?.members)
        return Dictionary(
            uniqueKeysWithValues: members.map { (TensorName($0.key), ($0.value.array ?? []).compactMap(\.integer)) })
    }

    private func descriptions(_ tensors: [TensorName: [Int]]) throws -> [TensorDescription] {
        try tensors.map {
            try TensorDescription(name: $0.key, elementType: .f32, shape: try #require(Shape($0.value)))
        }
    }

    private func byName(_ tensors: [ExpectedTensor]) -> [TensorName: [Int]] {
        Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    }

    @Test("a decoder has LLaMA's tensors, in the order of a forward pass")
    func decoder() throws {
        let architecture = try LlamaArchitecture(config: Self.llama)
        let published = try published("llama")
        #expect(byName(architecture.tensors) == published)
        let sorted = TensorKind.executionOrder(try descriptions(published))
        #expect(architecture.tensors.map(\.name) == sorted.map(\.name))
        try architecture.check(try descriptions(published))
    }

    @Test("a tied decoder may have an output layer and needs none")
    func tied() throws {
        var config = Self.llama
        config["tie_word_embeddings"] = true
        let architecture = try LlamaArchitecture(config: config)
        var tensors = try published("llama")
        try architecture.check(try descriptions(tensors))
        tensors["lm_head.weight"] = nil
        #expect(byName(architecture.tensors) == tensors)
        #expect(architecture.output == architecture.embedding)
        try architecture.check(try descriptions(tensors))
    }

    @Test("a pass multiplies by the seven matrices of each layer and by the output layer")
    func matrices() throws {
        let names = try LlamaArchitecture(config: Self.llama).matrices.map(\.name.rawValue)
        let matrices = [
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
            "mlp.up_proj", "mlp.down_proj",
        ]
        let layers = (0..<2).flatMap { layer in matrices.map { "model.layers.\(layer).\($0).weight" } }
        #expect(names == layers + ["lm_head.weight"])
    }

    @Test("tensors that are missing, misshaped or unexpected are named")
    func differences() throws {
        let architecture = try LlamaArchitecture(config: Self.llama)
        var tensors = try published("llama")
        tensors["model.norm.weight"] = nil
        tensors["model.layers.1.mlp.up_proj.weight"] = [8, 24]
        tensors["model.layers.2.mlp.up_proj.weight"] = [24, 8]
        tensors["model.mm_projector.weight"] = [8, 8]
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = [1]
        let error = #expect(throws: PVITError.self) { try architecture.check(descriptions(tensors)) }
        #expect(error?.code == .checkpointTensors && error?.tensor == "model.norm.weight")
        #expect(
            error?.what.hasSuffix(
                "; missing: model.norm.weight; of another shape: model.layers.1.mlp.up_proj.weight is [8, 24], not "
                    + "[24, 8]; unexpected: model.layers.2.mlp.up_proj.weight") == true)
    }

    @Test("biases are refused as unsupported")
    func biases() throws {
        var tensors = try published("llama")
        tensors["model.layers.0.self_attn.q_proj.bias"] = [8]
        let error = #expect(throws: PVITError.self) {
            try LlamaArchitecture(config: Self.llama).check(descriptions(tensors))
        }
        #expect(error?.code == .modelUnsupported)
    }

    @Test("a vision tower has CLIP's tensors, also under the names of a container")
    func visionTower() throws {
        let configuration = try CLIPVisionConfiguration(parsing: Self.clip)
        let published = try published("clip")
        #expect(byName(CLIPVisionArchitecture(configuration).tensors) == published)
        let prefix = TowerKind.vision.prefix
        #expect(
            Set(CLIPVisionArchitecture(configuration, prefix: prefix).tensors.map(\.name))
                == Set(published.keys.map { TensorName(prefix + $0.rawValue) }))
    }

    @Test("defaults of transformers are written out, and a whole CLIP gives the same as its vision model")
    func visionConfigurations() throws {
        let minimal: JSONObject = [
            "model_type": "clip_vision_model", "hidden_size": 1024, "num_attention_heads": 16,
        ]
        let members = try CLIPVisionConfiguration.members(ofCheckpoint: minimal)
        #expect(members["patch_size"] == 32 && members["hidden_size"] == 1024 && members["image_size"] == 224)
        let whole = try CLIPVisionConfiguration.members(ofCheckpoint: ["vision_config": .object(minimal)])
        #expect(try CLIPVisionConfiguration(ofCheckpoint: whole) == CLIPVisionConfiguration(ofCheckpoint: members))
        let error = #expect(throws: PVITError.self) {
            try CLIPVisionConfiguration.members(ofCheckpoint: ["model_type": "llama"])
        }
        #expect(error?.code == .towerConfig && error?.what.contains("llama") == true)
    }

    @Test("a region encoder has RegionCLIP's tensors, with the sizes that the shapes say")
    func regionEncoder() throws {
        let published = try published("regionclip")
        let architecture = try RegionCLIPArchitecture(tensors: descriptions(published))
        #expect(byName(architecture.tensors) == published)
        #expect(architecture.width == 4 && architecture.gridSize == 3 && architecture.featureWidth == 10)
        #expect(architecture.stages.map(\.count) == [2, 1, 2, 1])
        let prefix = TowerKind.region.prefix
        let inContainer = try RegionCLIPArchitecture(prefix: prefix) {
            published[TensorName(String($0.rawValue.dropFirst(prefix.count)))]
        }
        #expect(inContainer.tensors.map(\.name.rawValue) == architecture.tensors.map { prefix + $0.name.rawValue })
        #expect(inContainer.tensors.map(\.shape) == architecture.tensors.map(\.shape))
    }

    @Test(
        "a region encoder without one of the tensors that say its sizes is refused, and the tensor is named",
        arguments: [
            "conv1.weight", "layer3.0.conv1.weight", "attnpool.positional_embedding", "attnpool.c_proj.weight",
        ])
    func incompleteRegionEncoder(name: String) throws {
        var tensors = try published("regionclip")
        let name = TensorName("backbone." + name)
        tensors[name] = nil
        let missing = #expect(throws: PVITError.self) { try RegionCLIPArchitecture { tensors[$0] } }
        #expect(missing?.code == .tensorNotFound && missing?.tensor == name)
        let inCheckpoint = #expect(throws: PVITError.self) {
            try RegionCLIPArchitecture(tensors: descriptions(tensors))
        }
        #expect(inCheckpoint?.code == .towerTensors && inCheckpoint?.tensor == name && inCheckpoint?.remedy != nil)
    }

    @Test("a region encoder's sizes are read from tensors of the right rank only")
    func misshapenRegionEncoder() throws {
        for (name, shape) in [("conv1.weight", [7]), ("attnpool.positional_embedding", [12, 128])] {
            var tensors = try published("regionclip")
            tensors[TensorName("backbone." + name)] = shape
            let error = #expect(throws: PVITError.self) { try RegionCLIPArchitecture { tensors[$0] } }
            #expect(error?.code == .tensorMismatch && error?.tensor == TensorName("backbone." + name))
        }
    }

    @Test("projections are PVIT's: of images, and with a region encoder of regions and boxes")
    func projections() throws {
        let configuration = try PVITConfiguration(parsing: [
            "mm_use_im_start_end": true, "mm_hidden_size": 6, "mm_use_bbox_fc": true,
        ])
        let images = PVITArchitecture(configuration, hiddenSize: 8, regionFeatureWidth: nil)
        #expect(byName(images.tensors) == ["model.mm_projector.weight": [8, 6], "model.mm_projector.bias": [8]])
        let regions = PVITArchitecture(configuration, hiddenSize: 8, regionFeatureWidth: 10)
        #expect(
            byName(regions.tensors) == [
                "model.mm_projector.weight": [8, 6], "model.mm_projector.bias": [8],
                "model.prompt_projector.weight": [8, 10], "model.prompt_projector.bias": [8],
                "model.bbox_fc.weight": [8, 4], "model.bbox_fc.bias": [8],
            ])
        #expect(regions.tensors.allSatisfy { TensorKind($0.name) == .projector })
    }

    @Test(
        "a name tells a tensor's role",
        arguments: [
            ("model.embed_tokens.weight", .embedding), ("lm_head.weight", .output),
            ("model.norm.weight", .norm(layer: nil)),
            ("model.layers.12.mlp.gate_proj.weight", .linear(layer: 12)),
            ("model.layers.3.input_layernorm.weight", .norm(layer: 3)),
            ("model.layers.0.self_attn.rotary_emb.inv_freq", .unread), ("model.bbox_fc.bias", .projector),
            ("vision_tower.vision_model.embeddings.class_embedding", .tower(.vision)),
            ("region_encoder.backbone.conv1.weight", .tower(.region)),
            ("model.layers.0.mlp.gate_proj.bias", .other), ("model.layers.-1.mlp.gate_proj.weight", .other),
            ("model.layers.x.mlp.gate_proj.weight", .other), ("model.layers.0.mlp.weight", .other), ("", .other),
        ] as [(TensorName, TensorKind)])
    func roles(name: TensorName, kind: TensorKind) { #expect(TensorKind(name) == kind) }
}
