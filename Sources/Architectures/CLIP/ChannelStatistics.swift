/// The mean and the standard deviation of each channel in a model's training images, where 1 is full intensity.
package struct ChannelStatistics: Sendable, Hashable {
    /// The means of red, green and blue.
    package var mean: SIMD3<Float>
    /// The standard deviations of red, green and blue.
    package var standardDeviation: SIMD3<Float>

    /// Creates statistics.
    package init(mean: SIMD3<Float>, standardDeviation: SIMD3<Float>) {
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    /// CLIP's statistics (Radford et al., 2021).
    package static let clip = ChannelStatistics(
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        standardDeviation: [0.268_629_54, 0.261_302_58, 0.275_777_11])
}
