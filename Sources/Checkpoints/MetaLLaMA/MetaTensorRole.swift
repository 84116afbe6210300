import Tensors

/// The role of a tensor in a Meta LLaMA file: its name in the `transformers` library, and how it is split over the
/// files of a model that was trained in parallel.
struct MetaTensorRole: Hashable {
    enum Split: Hashable {
        /// Every file has all of it.
        case replicated
        /// Each file has some of the rows, in order.
        case rows
        /// Each file has some of the columns, in order.
        case columns
        /// By columns in LLaMA 1 and 2, by rows in LLaMA 3; the width of the slices tells.
        case rowsOrColumns
    }

    /// The kinds of tensors that differ in shape.
    enum Kind: Hashable {
        case embedding, output, norm, query, key, value, attentionOutput, gate, up, down
    }

    let name: TensorName
    let kind: Kind

    var split: Split {
        switch kind {
        case .norm: .replicated
        case .query, .key, .value, .gate, .up, .output: .rows
        case .attentionOutput, .down: .columns
        case .embedding: .rowsOrColumns
        }
    }

    /// The tensors of each layer: Meta's name, that of `transformers`, kind.
    private static let layerTensors: [(meta: String, name: String, kind: Kind)] = [
        ("attention_norm", "input_layernorm", .norm), ("attention.wq", "self_attn.q_proj", .query),
        ("attention.wk", "self_attn.k_proj", .key), ("attention.wv", "self_attn.v_proj", .value),
        ("attention.wo", "self_attn.o_proj", .attentionOutput), ("ffn_norm", "post_attention_layernorm", .norm),
        ("feed_forward.w1", "mlp.gate_proj", .gate), ("feed_forward.w3", "mlp.up_proj", .up),
        ("feed_forward.w2", "mlp.down_proj", .down),
    ]

    /// All tensors of a model by their names in Meta's files.
    static func all(layerCount: Int) -> [TensorName: MetaTensorRole] {
        var roles: [TensorName: MetaTensorRole] = [
            "tok_embeddings.weight": MetaTensorRole(name: "model.embed_tokens.weight", kind: .embedding),
            "norm.weight": MetaTensorRole(name: "model.norm.weight", kind: .norm),
            outputName: MetaTensorRole(name: "lm_head.weight", kind: .output),
        ]
        for layer in 0..<layerCount {
            for tensor in layerTensors {
                roles[TensorName("layers.\(layer).\(tensor.meta).weight")] = MetaTensorRole(
                    name: TensorName("model.layers.\(layer).\(tensor.name).weight"), kind: tensor.kind)
            }
        }
        return roles
    }

    /// The output layer, which models with tied embeddings may lack.
    static let outputName: TensorName = "output.weight"

    /// Whether the tensor is never read: tables of rotary frequencies.
    static func isIgnored(_ name: TensorName) -> Bool { name.rawValue.hasSuffix("rope.freqs") }
}
