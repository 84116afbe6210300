/// How new pixels are made of old ones.
public enum ResamplingFilter: Sendable, Hashable, CaseIterable {
    /// Linear interpolation; a triangle over twice the distance of the new pixels when an image is reduced.
    case bilinear
    /// Cubic convolution with a = -1/2 (Keys, 1981), widened likewise.
    case bicubic
}
