import Container
import Storage

/// Weight matrices that multiply the same input, in one loop over the threads.
///
/// The ranges of rows that threads take are fixed when the model is opened: results do not depend on how many threads
/// share them.
package struct Projection: Sendable {
    /// Rows of one matrix that one thread multiplies by at a time.
    struct RowRange: Sendable {
        /// The index of the matrix in `matrices`.
        let matrix: Int
        let tile: Int
        /// Rows of the matrix, all within `tile`.
        let rows: Range<Int>
        /// The location of the tile, if it can be used in place.
        let location: TilesInPlace.Location?
        /// The offset of the rows in the tile, in bytes.
        let offset: Int
        let scale: Float
    }

    let matrices: [WeightMatrix]
    /// For one token: small, so that all threads end at about the same time.
    let vectorRanges: [RowRange]
    /// For many tokens: large enough to pay for reading the activations again.
    let matrixRanges: [RowRange]
    /// Whether the input is needed in 8 bits, for 4-bit weights, and in 16 bits, for 8-bit weights.
    let needsQuantizedInput: Bool
    let needsWideInput: Bool
    /// The stream that brings the weights, and the chunks of the matrices.
    private let stream: (WeightStream, chunks: Range<Int>)?

    /// - Precondition: The matrices are of one container.
    package init(_ matrices: WeightMatrix...) {
        precondition(matrices.allSatisfy { $0.container === matrices[0].container })
        self.matrices = matrices
        let total = matrices.reduce(0) { $0 + $1.rows / $1.rowsPerGroup * $1.bytesPerGroup }
        let vectorBytes = min(max(total / 32, 16 << 10), 128 << 10)
        // Kernels take two groups together, and eight before they read the activations again.
        let groups = matrices.reduce(0) { $0 + ($1.rows - 1) / $1.rowsPerGroup + 1 }
        let matrixGroups = min(max(groups / 64 * 2, 2), 8)
        vectorRanges = Self.ranges(matrices) { matrix in max(vectorBytes / matrix.bytesPerGroup, 1) }
        matrixRanges = Self.ranges(matrices) {
            $0.layout.isQuantized ? matrixGroups : max((128 << 10) / $0.bytesPerGroup, 1)
        }
        needsQuantizedInput = matrices.contains { $0.layout == .q4 }
        needsWideInput = matrices.contains { $0.layout == .q8 }
        stream = matrices.first?.stream.flatMap { stream in
            guard let first = matrices.first?.chunks, let last = matrices.last?.chunks else { return nil }
            return (stream, first.lowerBound..<last.upperBound)
        }
    }

    /// Calls `body`, which multiplies by every row of the matrices once, with the tiles that can be used in place.
    func multiplying(_ body: (TilesInPlace?) throws -> Void) throws {
        if let stream {
            try stream.0.pass(over: stream.chunks) { try body(nil) }
        } else if let container = matrices.first?.container {
            do {
                try container.withTilesInPlace(body)
            } catch let error as PVITError where error.code == .readFailed {
                // The index, which knows all tensors, may be lost too.
                throw error.located(tensor: matrices.first { $0.holds(error.bytes) }?.name)
            }
        }
    }

    /// Cuts tiles into ranges of some groups of rows. A tile that has to be decoded stays whole.
    private static func ranges(_ matrices: [WeightMatrix], groups: (WeightMatrix) -> Int) -> [RowRange] {
        var result: [RowRange] = []
        for (index, matrix) in matrices.enumerated() {
            let rows = groups(matrix) * matrix.rowsPerGroup
            for tile in 0..<matrix.tileCount {
                let (start, end) = (matrix.tileStarts[tile], matrix.tileStarts[tile + 1])
                let step = matrix.isStored[tile] ? rows : max(end - start, 1)
                for first in stride(from: start, to: end, by: step) {
                    result.append(
                        RowRange(
                            matrix: index, tile: tile, rows: first..<min(first + step, end),
                            location: matrix.location(ofTile: tile),
                            offset: (first - start) / matrix.rowsPerGroup * matrix.bytesPerGroup,
                            scale: matrix.scale(ofTile: tile)))
                }
            }
        }
        return result
    }
}
