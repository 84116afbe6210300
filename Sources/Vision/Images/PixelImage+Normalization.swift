import Architectures

extension PixelImage {
    /// The samples as planes `[3, height, width]` of f32: `(sample / 255 - mean) / standardDeviation`.
    package func normalizedPlanes(_ statistics: ChannelStatistics = .clip) -> [Float] {
        let planeCount = width * height
        return [Float](unsafeUninitializedCapacity: 3 * planeCount) { planes, count in
            pixels.withUnsafeBufferPointer { pixels in
                for channel in 0..<3 {
                    let (mean, deviation) = (statistics.mean[channel], statistics.standardDeviation[channel])
                    let levels = (0...255).map { (Float($0) / 255 - mean) / deviation }
                    for pixel in 0..<planeCount {
                        planes.initializeElement(
                            at: channel * planeCount + pixel, to: levels[Int(pixels[3 * pixel + channel])])
                    }
                }
            }
            count = 3 * planeCount
        }
    }
}
