import Vision

/// What a PVIT model knows of one image. Parts are computed when they are first needed.
final class ImageEncoding {
    let digest: ImageDigest
    /// The embeddings of the parts of the image: `[parts, hidden]`.
    var parts: [Float]?
    /// What the region encoder knows of the image.
    var features: RegionEncoder.ImageFeatures?
    /// The embeddings of the regions that were asked for last: `[hidden]` each.
    var regions: [RegionLocation: [Float]] = [:]

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
