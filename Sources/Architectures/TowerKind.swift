/// The image encoders that a container can hold beside a language model.
package enum TowerKind: String, Sendable, Hashable, CaseIterable {
    /// CLIP's vision transformer, which encodes the whole image.
    case vision = "vision_tower"
    /// RegionCLIP's residual network, which encodes regions of it.
    case region = "region_encoder"

    /// The prefix of its tensors' names in a container.
    package var prefix: String { rawValue + "." }

    /// The name in messages.
    package var title: String {
        switch self {
        case .vision: "vision tower"
        case .region: "region encoder"
        }
    }
}
