import Tensors

/// The part that a tensor plays in a model of the LLaMA family, by its name in the `transformers` library.
package enum TensorKind: Hashable, Sendable {
    /// `model.embed_tokens.weight`: [vocabulary, hidden].
    case embedding
    /// `lm_head.weight`: [vocabulary, hidden].
    case output
    /// A weight of attention or of the feed-forward network in one layer.
    case linear(layer: Int)
    /// The weight of a norm in one layer, or of the final norm (nil).
    case norm(layer: Int?)
    /// One of PVIT's projections into the decoder's space: `model.mm_projector`, `model.prompt_projector`,
    /// `model.bbox_fc`.
    case projector
    /// A weight of the image encoder or of the region encoder, under the name that it has in a container.
    case tower(TowerKind)
    /// What checkpoints carry and nobody reads, such as tables of rotary frequencies.
    case unread
    /// Anything else.
    case other

    /// The input embeddings.
    package static let embeddingName: TensorName = "model.embed_tokens.weight"
    /// The output layer.
    package static let outputName: TensorName = "lm_head.weight"
    /// The final norm.
    package static let finalNormName: TensorName = "model.norm.weight"
    /// The weights of one layer, below `model.layers.N.`, in the order in which a forward pass needs them.
    package static let layerParts = [
        "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    ]

    /// Classifies a name.
    package init(_ name: TensorName) {
        switch name {
        case Self.embeddingName: self = .embedding
        case Self.outputName: self = .output
        case Self.finalNormName: self = .norm(layer: nil)
        default:
            if name.isUnread {
                self = .unread
            } else if let (layer, part) = Self.layerPart(name), Self.layerParts.contains(part) {
                self = part.hasSuffix("layernorm") ? .norm(layer: layer) : .linear(layer: layer)
            } else if Self.isProjector(name) {
                self = .projector
            } else if let tower = TowerKind.allCases.first(where: { name.rawValue.hasPrefix($0.prefix) }) {
                self = .tower(tower)
            } else {
                self = .other
            }
        }
    }

    private static func isProjector(_ name: TensorName) -> Bool {
        for part in ["mm_projector", "prompt_projector", "bbox_fc"] {
            for suffix in ["weight", "bias"] where name.rawValue == "model.\(part).\(suffix)" { return true }
        }
        return false
    }

    /// The layer and the part of a name such as `model.layers.12.mlp.up_proj.weight`, or nil.
    private static func layerPart(_ name: TensorName) -> (layer: Int, part: String)? {
        let prefix = "model.layers."
        let suffix = ".weight"
        guard name.rawValue.hasPrefix(prefix), name.rawValue.hasSuffix(suffix) else { return nil }
        let rest = name.rawValue.dropFirst(prefix.count).dropLast(suffix.count)
        guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0 else { return nil }
        return (layer, String(rest[rest.index(after: dot)...]))
    }

    /// Whether the tensor belongs to the decoder itself, so that a model without it is broken.
    package static func isDecoderName(_ name: TensorName) -> Bool {
        ["model.layers.", "model.embed_tokens.", "model.norm.", "lm_head."].contains { name.rawValue.hasPrefix($0) }
    }

    /// Sorts tensors into the order in which a forward pass needs them: embeddings, layers by number, final norm,
    /// output, and then everything else by name.
    package static func executionOrder(_ tensors: [TensorDescription]) -> [TensorDescription] {
        let ranked = tensors.map { (place: place($0.name), tensor: $0) }
        let sorted = ranked.sorted { left, right in
            if left.place == right.place { return left.tensor.name < right.tensor.name }
            return left.place.lexicographicallyPrecedes(right.place)
        }
        return sorted.map(\.tensor)
    }

    /// Where a tensor comes in a forward pass: stage, layer, part.
    private static func place(_ name: TensorName) -> [Int] {
        switch TensorKind(name) {
        case .embedding: return [0]
        case .linear(let layer), .norm(let layer?):
            return [1, layer, layerPart(name).flatMap { layerParts.firstIndex(of: $0.part) } ?? layerParts.count]
        case .norm(nil): return [2]
        case .output: return [3]
        case .projector: return [4]
        case .tower, .unread, .other: return [5]
        }
    }
}
