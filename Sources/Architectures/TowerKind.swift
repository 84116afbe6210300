/// The encoders of images that travel in a container beside a language model.
public enum TowerKind: String, Sendable, Hashable, CaseIterable {
    /// CLIP's vision transformer, which sees the image as a whole.
    case vision = "vision_tower"
    /// RegionCLIP's residual network, which sees parts of it.
    case region = "region_encoder"

    /// What the names of its tensors begin with in a container.
    package var prefix: String { rawValue + "." }

    /// What people call it.
    public var title: String {
        switch self {
        case .vision: "vision tower"
        case .region: "region encoder"
        }
    }
}
