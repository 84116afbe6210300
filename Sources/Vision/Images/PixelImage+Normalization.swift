/// The mean and the standard deviation of each channel of a model's training images, in units of full intensity.
public struct ChannelStatistics: Sendable, Hashable {
    /// The means of red, green and blue.
    public var mean: SIMD3<Float>
    /// The standard deviations of red, green and blue.
    public var standardDeviation: SIMD3<Float>

    /// Creates statistics.
    public init(mean: SIMD3<Float>, standardDeviation: SIMD3<Float>) {
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    /// Those of CLIP (Radford et al., 2021).
    public static let clip = ChannelStatistics(
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        standardDeviation: [0.268_629_54, 0.261_302_58, 0.275_777_11])
}

extension PixelImage {
    /// The samples as planes `[3, height, width]` of f32: `(sample / 255 - mean) / standardDeviation`.
    public func normalizedPlanes(_ statistics: ChannelStatistics = .clip) -> [Float] {
        let planeCount = width * height
        return [Float](unsafeUninitializedCapacity: 3 * planeCount) { planes, count in
            pixels.withUnsafeBufferPointer { pixels in
                for channel in 0..<3 {
                    let (mean, deviation) = (statistics.mean[channel], statistics.standardDeviation[channel])
                    let levels = (0...255).map { (Float($0) / 255 - mean) / deviation }
                    for place in 0..<planeCount {
                        planes.initializeElement(
                            at: channel * planeCount + place, to: levels[Int(pixels[3 * place + channel])])
                    }
                }
            }
            count = 3 * planeCount
        }
    }
}
