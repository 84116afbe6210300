import Architectures

/// For each place of a resampled line, the places of the original line that it is made of, and their weights.
///
/// Weights are fixed-point numbers with ``fractionBits`` bits after the point, made from double precision as in
/// Pillow's `Resample.c`, so that 8-bit results are the same to the last bit.
struct ResamplingWindows {
    /// Bits after the point: 32, less 8 of the samples, less 2 for sums of weights of both signs.
    static let fractionBits: Int32 = 32 - 8 - 2
    /// One half, which rounds sums.
    static let half: Int32 = 1 << (fractionBits - 1)

    /// The original places that each new one is made of.
    let ranges: [Range<Int>]
    /// The weights, `[ranges, capacity]`, zero after the end of a range.
    let weights: [Int32]
    /// The number of weights that there is room for in each window.
    let capacity: Int

    /// Windows that make `newCount` places of `count`, both positive.
    init(from count: Int, to newCount: Int, filter: ResamplingFilter) {
        let scale = Double(count) / Double(newCount)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let capacity = Int(support.rounded(.up)) * 2 + 1
        var ranges: [Range<Int>] = []
        var weights = [Int32](repeating: 0, count: newCount * capacity)
        var exact = [Double](repeating: 0, count: capacity)
        for place in 0..<newCount {
            let center = (Double(place) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let range = first..<min(Int(center + support + 0.5), count)
            var sum = 0.0
            for index in 0..<range.count {
                exact[index] = filter.weight(at: (Double(index + first) - center + 0.5) * (1 / filterScale))
                sum += exact[index]
            }
            for index in 0..<range.count {
                let weight = (sum == 0 ? exact[index] : exact[index] / sum) * Double(1 << Self.fractionBits)
                weights[place * capacity + index] = Int32(weight.rounded(.toNearestOrAwayFromZero))
            }
            ranges.append(range)
        }
        self.ranges = ranges
        self.weights = weights
        self.capacity = capacity
    }

    /// All original places that anything is made of.
    var span: Range<Int> { (ranges.first?.lowerBound ?? 0)..<(ranges.last?.upperBound ?? 0) }
}
