import Tensors

/// How weights lie within their blocks: a histogram of weights that are scaled so that the largest magnitude in each
/// block of 16 becomes 127, the largest of the codebook.
package struct BlockHistogram: Sendable, Hashable {
    /// The width of a bin, in units of the codebook.
    package static let binWidth = 4
    /// The centres of the bins, in units of the codebook: −128, −124, … 128.
    package static let centers = Array(stride(from: -128, through: 128, by: binWidth))

    /// The number of weights in each bin.
    package private(set) var bins = [Int](repeating: 0, count: centers.count)
    /// The number of blocks whose weights are all zero, which are in no bin.
    package private(set) var zeroBlocks = 0
    /// The number of blocks with a number that is infinite or not a number, which are in no bin.
    package private(set) var notFiniteBlocks = 0

    /// Creates an empty histogram.
    package init() {}

    /// The number of weights in all bins.
    package var count: Int { bins.reduce(0, +) }

    /// Adds rows.
    ///
    /// - Parameters:
    ///   - rows: [rows, columns].
    ///   - columns: The number of weights in a row, more than 0. If it is not a multiple of 16, the last block of each
    ///     row is shorter.
    package mutating func add(rows: Span<Float>, columns: Int) {
        var (zero, notFinite) = (0, 0)
        rows.withUnsafeBufferPointer { weights in
            bins.withUnsafeMutableBufferPointer { bins in
                for row in stride(from: 0, to: weights.count - columns + 1, by: columns) {
                    for start in stride(from: row, to: row + columns, by: Q4Codebook.blockSize) {
                        let block = start..<min(start + Q4Codebook.blockSize, row + columns)
                        let largest = Self.largestMagnitude(of: weights, block)
                        if !largest.isFinite {
                            notFinite += 1
                        } else if largest == 0 {
                            zero += 1
                        } else {
                            for index in block { bins[Self.bin(weights[index] / largest)] += 1 }
                        }
                    }
                }
            }
        }
        zeroBlocks += zero
        notFiniteBlocks += notFinite
    }

    /// The largest magnitude in a block; infinity if a number in it is not finite.
    private static func largestMagnitude(of weights: UnsafeBufferPointer<Float>, _ block: Range<Int>) -> Float {
        var largest: Float = 0
        for index in block {
            guard weights[index].isFinite else { return .infinity }
            largest = max(largest, weights[index].magnitude)
        }
        return largest
    }

    /// Adds the histogram of other weights.
    package mutating func merge(_ other: BlockHistogram) {
        for index in bins.indices { bins[index] += other.bins[index] }
        zeroBlocks += other.zeroBlocks
        notFiniteBlocks += other.notFiniteBlocks
    }

    /// The bin of a weight as a share of its block's largest magnitude, −1 to 1.
    private static func bin(_ share: Float) -> Int {
        let value = share * Float(Q4Codebook.largestMagnitude) / Float(binWidth)
        return Int(value.rounded()) + centers.count / 2
    }
}
