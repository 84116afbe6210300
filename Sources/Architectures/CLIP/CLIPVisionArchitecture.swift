import Storage
import Tensors

/// The tensors of CLIP's vision transformer as the `transformers` library names them, by its configuration.
package struct CLIPVisionArchitecture {
    /// The configuration with the defaults of `transformers` written out.
    package let config: JSONObject
    /// The width of the transformer.
    package let hidden: Int
    /// Name and shape of every tensor.
    package let inventory: TowerInventory

    /// What the names of its tensors begin with.
    package static let namePrefix = "vision_model."

    /// The defaults of `transformers.CLIPVisionConfig`, which its files may leave out.
    private static let defaults: JSONObject = [
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    ]

    /// Reads a `config.json` of a whole CLIP, with the member `vision_config`, or of its vision model alone.
    ///
    /// - Throws: `tower.config` naming the member that is out of range or not supported.
    package init(config file: JSONObject) throws {
        var config = file["vision_config"]?.object ?? file
        guard file["vision_config"]?.object != nil || config["model_type"]?.string == "clip_vision_model" else {
            let type = config["model_type"]?.string.map { " but of a \"\($0)\" model" } ?? ""
            throw PVITError(
                .towerConfig, "this is not the configuration of a CLIP\(type)",
                remedy: "give the folder of a CLIP, such as openai/clip-vit-large-patch14")
        }
        for member in Self.defaults.members where config[member.key] == nil { config[member.key] = member.value }
        self.config = config

        let width = try Self.size("hidden_size", of: config, atMost: 16_384)
        let inner = try Self.size("intermediate_size", of: config, atMost: 65_536)
        let layers = try Self.size("num_hidden_layers", of: config, atMost: 256)
        let heads = try Self.size("num_attention_heads", of: config, atMost: 256)
        let image = try Self.size("image_size", of: config, atMost: 4096)
        let patch = try Self.size("patch_size", of: config, atMost: image)
        guard width % heads == 0 else {
            throw PVITError(.towerConfig, "\(width) channels cannot be divided among \(heads) attention heads")
        }
        guard config["num_channels"]?.integer ?? 3 == 3 else {
            throw PVITError(.towerConfig, "only images of 3 channels are supported")
        }
        hidden = width
        let positions = (image / patch) * (image / patch) + 1
        func vectors(_ name: String, _ count: Int) -> [(name: TensorName, shape: [Int])] {
            [(TensorName(name + ".weight"), [count]), (TensorName(name + ".bias"), [count])]
        }
        func linear(_ name: String, _ rows: Int, _ columns: Int) -> [(name: TensorName, shape: [Int])] {
            [(TensorName(name + ".weight"), [rows, columns]), (TensorName(name + ".bias"), [rows])]
        }
        let prefix = Self.namePrefix
        var tensors: [(name: TensorName, shape: [Int])] = [
            (TensorName(prefix + "embeddings.class_embedding"), [width]),
            (TensorName(prefix + "embeddings.patch_embedding.weight"), [width, 3, patch, patch]),
            (TensorName(prefix + "embeddings.position_embedding.weight"), [positions, width]),
        ]
        // The misspelling is that of `transformers`.
        tensors += vectors(prefix + "pre_layrnorm", width)
        for layer in 0..<layers {
            let layer = prefix + "encoder.layers.\(layer)."
            tensors += vectors(layer + "layer_norm1", width)
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                tensors += linear(layer + "self_attn." + part, width, width)
            }
            tensors += vectors(layer + "layer_norm2", width)
            tensors += linear(layer + "mlp.fc1", inner, width)
            tensors += linear(layer + "mlp.fc2", width, inner)
        }
        tensors += vectors(prefix + "post_layernorm", width)
        inventory = TowerInventory(expected: tensors)
    }

    private static func size(_ key: String, of config: JSONObject, atMost limit: Int) throws -> Int {
        guard let number = config[key]?.integer, (1...limit).contains(number) else {
            throw PVITError(
                .towerConfig, "\(key) in the configuration of the vision model is not a whole number from 1 to \(limit)"
            )
        }
        return number
    }
}
