import Tensors

/// The role of a tensor in a model of the LLaMA family, by its name in the `transformers` library.
package enum TensorKind: Hashable, Sendable {
    /// `model.embed_tokens.weight`: [vocabulary, hidden].
    case embedding
    /// `lm_head.weight`: [vocabulary, hidden].
    case output
    /// A weight of attention or of the feed-forward network in one layer.
    case linear(layer: Int)
    /// The weight of a norm in one layer, or of the final norm (nil).
    case norm(layer: Int?)
    /// One of PVIT's projections into the decoder's space (`PVITArchitecture.Projection`).
    case projector
    /// A weight of an image encoder, by its name in a container.
    case tower(TowerKind)
    /// A tensor in a checkpoint that no model reads, such as a table of rotary frequencies.
    case unread
    /// Anything else.
    case other

    /// The input embeddings.
    package static let embeddingName: TensorName = "model.embed_tokens.weight"
    /// The output layer.
    package static let outputName: TensorName = "lm_head.weight"
    /// The final norm.
    package static let finalNormName: TensorName = "model.norm.weight"

    /// Classifies a name.
    package init(_ name: TensorName) {
        switch name {
        case Self.embeddingName: self = .embedding
        case Self.outputName: self = .output
        case Self.finalNormName: self = .norm(layer: nil)
        default:
            if name.isUnread {
                self = .unread
            } else if let (layer, tensor) = LlamaLayerTensor.parse(name) {
                self = tensor.isNorm ? .norm(layer: layer) : .linear(layer: layer)
            } else if PVITArchitecture.Projection.allCases.contains(where: {
                $0.weightName == name || $0.biasName == name
            }) {
                self = .projector
            } else if let tower = TowerKind.allCases.first(where: { name.rawValue.hasPrefix($0.prefix) }) {
                self = .tower(tower)
            } else {
                self = .other
            }
        }
    }

    /// Whether the tensor belongs to the decoder itself, so that a model without it is broken.
    package static func isDecoderName(_ name: TensorName) -> Bool {
        ["model.layers.", "model.embed_tokens.", "model.norm.", "lm_head."].contains { name.rawValue.hasPrefix($0) }
    }

    /// Sorts tensors into the order in which a forward pass needs them: embeddings, layers by number, final norm,
    /// output, and then everything else by name.
    package static func executionOrder(_ tensors: [TensorDescription]) -> [TensorDescription] {
        let ranked = tensors.map { (rank: rank($0.name), tensor: $0) }
        let sorted = ranked.sorted { left, right in
            if left.rank == right.rank { return left.tensor.name < right.tensor.name }
            return left.rank.lexicographicallyPrecedes(right.rank)
        }
        return sorted.map(\.tensor)
    }

    /// Orders tensors by stage, layer, and order within the layer.
    private static func rank(_ name: TensorName) -> [Int] {
        switch TensorKind(name) {
        case .embedding: return [0]
        case .linear(let layer), .norm(let layer?):
            return [
                1, layer,
                LlamaLayerTensor.parse(name).flatMap { LlamaLayerTensor.allCases.firstIndex(of: $0.tensor) } ?? 0,
            ]
        case .norm(nil): return [2]
        case .output: return [3]
        case .projector: return [4]
        case .tower, .unread, .other: return [5]
        }
    }
}
