import Tensors

/// The two ways to name the tensors of a LLaMA model: GGUF's and that of the `transformers` library.
package enum LlamaTensorNames {
    /// The frequencies' divisors of LLaMA 3, which `transformers` keeps in config.json.
    package static let rotaryFactors: TensorName = "rope_freqs.weight"
    package static let embedding: TensorName = "token_embd.weight"
    package static let output: TensorName = "output.weight"

    private static let whole: [(gguf: String, transformers: String)] = [
        ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head"),
    ]
    private static let layerTensors: [(gguf: String, transformers: String)] = [
        ("attn_norm", "input_layernorm"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
        ("ffn_norm", "post_attention_layernorm"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ]

    /// The projections whose rows GGUF files have in another order (`RotaryRowOrder`).
    package enum Rotated: Sendable {
        /// Rows for the query heads.
        case query
        /// Rows for the key heads.
        case key
    }

    /// The name in `transformers` of a tensor of a GGUF file, and whether its rows are in another order; nil for other
    /// names.
    package static func transformersName(of name: TensorName) -> (name: TensorName, rotated: Rotated?)? {
        translate(name, from: \.gguf, to: \.transformers, layers: ("blk.", "model.layers."))
    }

    /// The name in GGUF files of a tensor of `transformers`, and whether its rows are in another order; nil for other
    /// names.
    package static func ggufName(of name: TensorName) -> (name: TensorName, rotated: Rotated?)? {
        translate(name, from: \.transformers, to: \.gguf, layers: ("model.layers.", "blk."))
    }

    private typealias Pair = (gguf: String, transformers: String)

    private static func translate(
        _ name: TensorName, from: (Pair) -> String, to: (Pair) -> String, layers: (from: String, to: String)
    ) -> (name: TensorName, rotated: Rotated?)? {
        let text = name.rawValue
        guard let dot = text.lastIndex(of: ".") else { return nil }
        let (stem, suffix) = (text[..<dot], text[dot...])
        guard suffix == ".weight" || suffix == ".bias" else { return nil }
        if let pair = whole.first(where: { from($0) == stem }) { return (TensorName(to(pair) + suffix), nil) }
        guard stem.hasPrefix(layers.from) else { return nil }
        let rest = stem.dropFirst(layers.from.count)
        guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0, "\(layer)" == rest[..<dot],
            let pair = layerTensors.first(where: { from($0) == rest[rest.index(after: dot)...] })
        else { return nil }
        let rotated: Rotated? = pair.gguf == "attn_q" ? .query : pair.gguf == "attn_k" ? .key : nil
        return (TensorName("\(layers.to)\(layer).\(to(pair))\(suffix)"), rotated)
    }
}
