import Tensors

/// The tensors of one decoder layer, in the order of a forward pass. The raw values are their names in the
/// `transformers` library, without `model.layers.N.` and `.weight`.
package enum LlamaLayerTensor: String, Sendable, CaseIterable {
    /// RMSNorm before attention: `[hidden]`.
    case attentionNorm = "input_layernorm"
    /// Queries: `[heads * width, hidden]`.
    case query = "self_attn.q_proj"
    /// Keys: `[key/value heads * width, hidden]`.
    case key = "self_attn.k_proj"
    /// Values: `[key/value heads * width, hidden]`.
    case value = "self_attn.v_proj"
    /// The output of attention: `[hidden, heads * width]`.
    case attentionOutput = "self_attn.o_proj"
    /// RMSNorm before the feed-forward network: `[hidden]`.
    case feedForwardNorm = "post_attention_layernorm"
    /// SwiGLU's gate: `[intermediate, hidden]`.
    case gate = "mlp.gate_proj"
    /// What the gate multiplies: `[intermediate, hidden]`.
    case up = "mlp.up_proj"
    /// Back to the residual stream: `[hidden, intermediate]`.
    case down = "mlp.down_proj"

    /// Whether it is the weight of a norm; the others are matrices.
    package var isNorm: Bool { self == .attentionNorm || self == .feedForwardNorm }

    /// The tensor of layer `layer` in a model of some sizes.
    package func tensor(layer: Int, in model: LlamaConfiguration) -> ExpectedTensor {
        let hidden = model.hiddenSize
        let shape =
            switch self {
            case .attentionNorm, .feedForwardNorm: [hidden]
            case .query: [model.headCount * model.headWidth, hidden]
            case .key, .value: [model.keyValueHeadCount * model.headWidth, hidden]
            case .attentionOutput: [hidden, model.headCount * model.headWidth]
            case .gate, .up: [model.intermediateSize, hidden]
            case .down: [hidden, model.intermediateSize]
            }
        return ExpectedTensor("\(Self.prefix)\(layer).\(rawValue)\(Self.suffix)", shape)
    }

    /// The layer and the tensor of a name such as `model.layers.12.mlp.up_proj.weight`; nil for other names.
    package static func parse(_ name: TensorName) -> (layer: Int, tensor: LlamaLayerTensor)? {
        guard name.rawValue.hasPrefix(prefix), name.rawValue.hasSuffix(suffix) else { return nil }
        let rest = name.rawValue.dropFirst(prefix.count).dropLast(suffix.count)
        guard
            let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0,
            let tensor = LlamaLayerTensor(rawValue: String(rest[rest.index(after: dot)...]))
        else { return nil }
        return (layer, tensor)
    }

    private static let prefix = "model.layers."
    private static let suffix = ".weight"
}
