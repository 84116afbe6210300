import Compute
import Vision

/// The embeddings and features of one image, computed when they are first needed.
final class ImageEncoding {
    let digest: ImageDigest
    /// The embeddings of the image's patches: `[patches, hiddenSize]`.
    var patches: Matrix?
    /// The region encoder's features of the whole image.
    var features: RegionEncoder.ImageFeatures?
    /// The embeddings of the last request's regions: `[1, hiddenSize]` each.
    var regions: [RegionLocation: Matrix] = [:]

    init(_ digest: ImageDigest) { self.digest = digest }
}

/// The time that encoding an image took.
package struct VisionTimings: Sendable, Hashable {
    /// The time for the whole image: CLIP's vision tower and its projection.
    package internal(set) var image = Duration.zero
    /// The time for regions: the region encoder and its projections.
    package internal(set) var regions = Duration.zero

    /// The part of `image` that projecting the features to embeddings takes.
    package internal(set) var imageProjection = Duration.zero
    /// The part of `regions` that projecting the features to embeddings takes.
    package internal(set) var regionProjection = Duration.zero

    /// The total time.
    package var total: Duration { image + regions }
}
