import Architectures

/// The original pixels of each pixel in a resampled row or column, with their weights.
///
/// Weights are fixed-point numbers with ``fractionBits`` bits after the point, rounded from double precision as in
/// Pillow's `Resample.c`, so that 8-bit results are equal.
struct ResamplingWindows {
    /// Bits after the point: 32, minus 8 for the samples, minus 2 because weights of both signs are added.
    static let fractionBits: Int32 = 32 - 8 - 2
    /// One half, to round sums.
    static let half: Int32 = 1 << (fractionBits - 1)

    /// The range of original pixels of each new pixel.
    let ranges: [Range<Int>]
    /// The weights, `[ranges, capacity]`, zero after the end of a range.
    let weights: [Int32]
    /// The largest number of weights in a window.
    let capacity: Int

    /// Creates the windows for resampling `count` pixels to `newCount`. Both are positive.
    init(from count: Int, to newCount: Int, filter: ResamplingFilter) {
        let scale = Double(count) / Double(newCount)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let capacity = Int(support.rounded(.up)) * 2 + 1
        var ranges: [Range<Int>] = []
        var weights = [Int32](repeating: 0, count: newCount * capacity)
        var exact = [Double](repeating: 0, count: capacity)
        for pixel in 0..<newCount {
            let center = (Double(pixel) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let range = first..<min(Int(center + support + 0.5), count)
            var sum = 0.0
            for index in 0..<range.count {
                exact[index] = filter.weight(at: (Double(index + first) - center + 0.5) * (1 / filterScale))
                sum += exact[index]
            }
            for index in 0..<range.count {
                let weight = (sum == 0 ? exact[index] : exact[index] / sum) * Double(1 << Self.fractionBits)
                weights[pixel * capacity + index] = Int32(weight.rounded(.toNearestOrAwayFromZero))
            }
            ranges.append(range)
        }
        self.ranges = ranges
        self.weights = weights
        self.capacity = capacity
    }

    /// The range of all original pixels that are used.
    var span: Range<Int> { (ranges.first?.lowerBound ?? 0)..<(ranges.last?.upperBound ?? 0) }
}
