import Storage
import Tensors

/// The component of a model that a tensor belongs to.
package enum ModelComponent: String, Sendable, CaseIterable {
    case embeddings
    case attention
    case feedForward = "feed-forward"
    case norms
    case output
    case projectors
    case visionTower = "vision tower"
    case regionEncoder = "region encoder"
    case attachments = "attached files"
    case other

    /// Recognises the component by the tensor's name.
    package init(_ name: TensorName) {
        let name = name.rawValue
        self =
            if name.hasPrefix("vision_tower.") || name.hasPrefix("vision_model.") {
                .visionTower
            } else if name.hasPrefix("region_encoder.") || name.hasPrefix("backbone.") {
                .regionEncoder
            } else if name.contains(bytesOf: "_projector.") || name.contains(bytesOf: "bbox_fc.") {
                .projectors
            } else if name.contains(bytesOf: "embed_tokens") {
                .embeddings
            } else if name.contains(bytesOf: "self_attn.") {
                .attention
            } else if name.contains(bytesOf: ".mlp.") {
                .feedForward
            } else if name.contains(bytesOf: "norm") {
                .norms
            } else if name.hasPrefix("lm_head") {
                .output
            } else { .other }
    }
}
