import CKernels
import LinearAlgebra
import Storage
import Tensors

/// A matrix that was encoded with `ErrorFeedback`.
struct CorrectedMatrix {
    /// The tiles in the order of their rows.
    let tiles: [TileQuantizer.Tile]
    /// [rows, columns]: what the tiles decode to.
    let decoded: DenseMatrix<Float>

    /// The rows that one task encodes: one product with the errors of all columns before serves them.
    private static let slabRows = 64

    /// Encodes a matrix.
    ///
    /// - Parameters:
    ///   - weights: [rows, columns], which error statistics refer to.
    ///   - targets: [rows, columns], which the codes approximate.
    ///   - encoding: `.q4` or `.q8`.
    ///   - rowsPerTile: A multiple of 16.
    /// - Throws: `quantize.not-finite` naming a row.
    init(
        _ weights: DenseMatrix<Float>, targets: DenseMatrix<Float>, _ feedback: ErrorFeedback, encoding: TensorEncoding,
        rowsPerTile: Int,
        _ algebra: LinearAlgebra, kernels: pvit_kernels
    ) throws {
        let (rows, columns) = (weights.rows, weights.columns)
        let bytesPerGroup = try encoding.quantizedGroupByteCount(columns: columns)
        let tileScales = try stride(from: 0, to: rows, by: rowsPerTile).map { first in
            let count = min(rowsPerTile, rows - first)
            let largest = try TileQuantizer.largestMagnitude(
                of: Span(_unsafeStart: weights.row(first), count: count * columns), columns: columns,
                firstRow: first, kernels: kernels)
            return encoding == .q4 ? pvit_q4_tile_scale(largest) : pvit_q8_tile_scale(largest)
        }
        let groupCount = (rows + groupRows - 1) / groupRows
        let groups = UnsafeMutablePointer<UInt8>.allocate(capacity: groupCount * bytesPerGroup)
        defer { groups.deallocate() }
        let sums = UnsafeMutablePointer<pvit_error_sums>.allocate(capacity: groupCount)
        sums.initialize(repeating: pvit_error_sums(), count: groupCount)
        defer { sums.deallocate() }
        let encoder = ChunkEncoder(
            weights, targets: targets, feedback, encoding: encoding, algebra, kernels: kernels)
        try algebra.pool.parallelFor((rows + Self.slabRows - 1) / Self.slabRows) { slabs, _ in
            for slab in slabs {
                let range = slab * Self.slabRows..<min((slab + 1) * Self.slabRows, rows)
                try encoder.encode(range) { row in
                    (tileScales[row / rowsPerTile], groups + row / groupRows * bytesPerGroup, sums + row / groupRows)
                }
            }
        }
        tiles = tileScales.indices.map { tile in
            let range = tile * rowsPerTile..<min((tile + 1) * rowsPerTile, rows)
            let groupRange = range.lowerBound / groupRows..<(range.upperBound + groupRows - 1) / groupRows
            var statistics = ErrorStatistics()
            for group in groupRange {
                statistics.merge(
                    ErrorStatistics(
                        squaredError: sums[group].squared_error, maximumError: sums[group].maximum_error,
                        squaredSum: sums[group].squared_sum,
                        count: (min((group + 1) * groupRows, range.upperBound) - group * groupRows) * columns))
            }
            let bytes = UnsafeBufferPointer(
                start: groups + groupRange.lowerBound * bytesPerGroup, count: groupRange.count * bytesPerGroup)
            return TileQuantizer.Tile(bytes: Array(bytes), scale: tileScales[tile], statistics: statistics)
        }
        decoded = try DenseMatrix(rows: rows, columns: columns)
        guard let decodeRow = encoding == .q4 ? kernels.row_q4 : kernels.row_q8 else {
            throw PVITError(.internalDefect, "there is no decoder for \(encoding)")
        }
        try algebra.pool.parallelFor(rows, chunk: groupRows) { [decoded] range, _ in
            for row in range {
                decodeRow(
                    groups + row / groupRows * bytesPerGroup, row % groupRows, columns, tileScales[row / rowsPerTile],
                    decoded.row(row))
            }
        }
    }
}

/// Encodes rows of a matrix, chunk after chunk of its columns.
private struct ChunkEncoder: @unchecked Sendable {
    // The matrices are only read.
    private let weights: DenseMatrix<Float>
    private let targets: DenseMatrix<Float>
    private let feedback: ErrorFeedback
    private let encoding: TensorEncoding
    private let algebra: LinearAlgebra
    private let kernels: pvit_kernels
    private let blockWidth: Int
    /// The first column of each block, in the order of encoding.
    private let blocks: [Int]

    init(
        _ weights: DenseMatrix<Float>, targets: DenseMatrix<Float>, _ feedback: ErrorFeedback, encoding: TensorEncoding,
        _ algebra: LinearAlgebra, kernels: pvit_kernels
    ) {
        self.weights = weights
        self.targets = targets
        self.feedback = feedback
        self.encoding = encoding
        self.algebra = algebra
        self.kernels = kernels
        blockWidth = Int(encoding == .q4 ? PVIT_Q4_BLOCK : PVIT_Q8_BLOCK)
        blocks = feedback.blocks(ofWidth: blockWidth)
    }

    /// Encodes some rows.
    ///
    /// - Parameter place: The scale of a row's tile, and where the row's group and its error sums are.
    func encode(
        _ rows: Range<Int>,
        _ place: (Int) -> (
            scale: Float, group: UnsafeMutablePointer<UInt8>, sums: UnsafeMutablePointer<pvit_error_sums>
        )
    ) throws {
        guard let encode = encoding == .q4 ? kernels.encode_q4_chunk : kernels.encode_q8_chunk else {
            throw PVITError(.internalDefect, "there is no encoder for \(encoding)")
        }
        let columns = weights.columns
        // [rows, columns in order]: the errors of the columns that are encoded; in the next chunk, its corrections.
        let errors = try DenseMatrix<Float>(rows: rows.count, columns: columns)
        let coefficients = feedback.coefficients
        blocks.withUnsafeBufferPointer { blocks in
            feedback.importance.withUnsafeBufferPointer { importance in
                for start in stride(from: 0, to: columns, by: Int(PVIT_FEEDBACK_COLUMNS)) {
                    let width = min(Int(PVIT_FEEDBACK_COLUMNS), columns - start)
                    if start > 0 {
                        algebra.multiply(
                            errors.elements, stride: columns, coefficients.elements + start, stride: columns,
                            rows: rows.count, depth: start, columns: width, into: errors.elements + start,
                            stride: columns)
                    }
                    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: groupRows) {
                        let (scale, group, sums) = place(first)
                        var chunk = pvit_feedback_chunk(
                            targets: targets.row(first), weights: weights.row(first),
                            rows: min(groupRows, rows.upperBound - first), columns: columns, stride: columns,
                            blocks: blocks.baseAddress?.advanced(by: start / blockWidth),
                            block_count: width / blockWidth, importance: importance.baseAddress?.advanced(by: start),
                            feedback: coefficients.row(start) + start, feedback_stride: columns,
                            errors: errors.row(first - rows.lowerBound) + start, error_stride: columns)
                        // The chunk has only pointers to the matrices.
                        withExtendedLifetime((errors, self)) { encode(&chunk, scale, group, sums) }
                    }
                }
            }
        }
    }
}
