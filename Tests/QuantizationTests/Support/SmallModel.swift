import Architectures
import Storage
import Tensors
import Testing

@testable import Quantization

/// A small model with random weights.
struct SmallModel: Sendable {
    static let json: JSONObject = [
        "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 50, "rope_theta": 500, "rms_norm_eps": 1e-5,
    ]

    static var configuration: LlamaConfiguration { get throws { try LlamaConfiguration(parsing: json) } }

    /// Rows and elements of every tensor, in the order of a forward pass.
    let tensors: [(name: TensorName, rows: Int, elements: [Float])]

    init(seed: UInt64) {
        var random = RandomWeights(seed: seed)
        var shapes: [(String, Int, Int)] = [("model.embed_tokens", 50, 32)]
        for layer in 0..<2 {
            shapes += [
                ("input_layernorm", 32, 1), ("self_attn.q_proj", 64, 32), ("self_attn.k_proj", 32, 32),
                ("self_attn.v_proj", 32, 32), ("self_attn.o_proj", 32, 64), ("post_attention_layernorm", 32, 1),
                ("mlp.gate_proj", 96, 32), ("mlp.up_proj", 96, 32), ("mlp.down_proj", 32, 96),
            ].map { ("model.layers.\(layer).\($0.0)", $0.1, $0.2) }
        }
        shapes.append(("model.norm", 32, 1))
        tensors = shapes.map { (TensorName("\($0.0).weight"), $0.1, random.gaussian($0.1 * $0.2, scale: 0.4)) }
    }

    var matrices: [(name: TensorName, rows: Int, elements: [Float])] {
        tensors.filter { $0.name.rawValue.hasSuffix("_proj.weight") }
    }

    var reader: WeightReader {
        { [tensors] name, rows in
            let tensor = try #require(tensors.first { $0.name == name })
            let width = tensor.elements.count / tensor.rows
            return Array(tensor.elements[rows.lowerBound * width..<rows.upperBound * width])
        }
    }
}
