import CKernels
import Storage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How often each code occurs in some q4 blocks.
package struct Q4CodeCounts: Sendable, Hashable {
    /// [16], the codes of each index in blocks without shift.
    package private(set) var plain = [Int](repeating: 0, count: Q4Codebook.levels.count)
    /// [16], the codes of each index in shifted blocks.
    package private(set) var shifted = [Int](repeating: 0, count: Q4Codebook.levels.count)
    /// The number of blocks whose weights are all zero. Their codes mean nothing and are not counted.
    package private(set) var zeroBlocks = 0

    /// Creates counts of no codes.
    package init() {}

    /// The number of codes that were counted.
    package var count: Int { plain.reduce(0, +) + shifted.reduce(0, +) }

    /// The share of codes in shifted blocks; nil without codes.
    package var shiftedShare: Double? {
        count > 0 ? Double(shifted.reduce(0, +)) / Double(count) : nil
    }

    /// The entropy of the index, in bits: 4 if all 16 occur equally often. nil without codes.
    package var indexEntropy: Double? {
        let total = Double(count)
        guard total > 0 else { return nil }
        return zip(plain, shifted).reduce(0.0) { sum, counts in
            let share = Double(counts.0 + counts.1) / total
            return share > 0 ? sum - share * log2(share) : sum
        }
    }

    /// Counts the codes of some rows of a tile.
    ///
    /// - Parameters:
    ///   - rows: Rows of the tile, the first of them the first of a group.
    ///   - tile: Groups of 16 rows.
    ///   - columns: The number of weights in a row, a multiple of 32.
    /// - Throws: `quantize.shape` if the tile does not have the rows.
    package mutating func add(_ rows: Range<Int>, of tile: RawSpan, columns: Int) throws {
        let bytesPerGroup = try TensorEncoding.q4.quantizedGroupByteCount(columns: columns)
        guard rows.lowerBound >= 0, rows.lowerBound % groupRows == 0,
            rows.upperBound <= tile.byteCount / bytesPerGroup * groupRows
        else {
            throw PVITError(
                .cannotQuantize,
                "a tile of \(tile.byteCount) bytes does not hold the rows \(rows) of \(columns) weights as q4")
        }
        var counts = [UInt64](repeating: 0, count: 2 * Q4Codebook.levels.count)
        tile.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            for first in stride(from: rows.lowerBound, to: rows.upperBound, by: groupRows) {
                zeroBlocks += pvit_q4_count_codes(
                    start + first / groupRows * bytesPerGroup, min(groupRows, rows.upperBound - first), columns, &counts
                )
            }
        }
        for index in plain.indices {
            plain[index] += Int(clamping: counts[index])
            shifted[index] += Int(clamping: counts[plain.count + index])
        }
    }

    /// Adds the counts of other blocks.
    package mutating func merge(_ other: Q4CodeCounts) {
        for index in plain.indices {
            plain[index] += other.plain[index]
            shifted[index] += other.shifted[index]
        }
        zeroBlocks += other.zeroBlocks
    }
}
