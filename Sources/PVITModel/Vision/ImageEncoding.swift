import Compute
import Vision

/// The embeddings of one image. They are computed when they are first needed.
final class ImageEncoding {
    let digest: ImageDigest
    /// The embeddings of the patches of the image: `[patches, hidden]`.
    var patches: Matrix?
    /// What the region encoder knows of the image.
    var features: RegionEncoder.ImageFeatures?
    /// The embeddings of the regions that were asked for last: `[1, hidden]` each.
    var regions: [RegionLocation: Matrix] = [:]

    init(_ digest: ImageDigest) { self.digest = digest }
}

/// How long it took to look at an image.
public struct VisionTimings: Sendable, Hashable {
    /// For the image as a whole: CLIP's vision tower and its projection.
    public internal(set) var image = Duration.zero
    /// For regions: the region encoder and its projections.
    public internal(set) var regions = Duration.zero

    /// In all.
    public var total: Duration { image + regions }
}
