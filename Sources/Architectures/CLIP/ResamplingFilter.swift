/// How an image is resampled.
package enum ResamplingFilter: Sendable, Hashable, CaseIterable {
    /// Linear interpolation. To reduce an image, the triangle is widened to twice the distance of the new pixels.
    case bilinear
    /// Cubic convolution with a = -1/2 (Keys, 1981), widened likewise.
    case bicubic
}
