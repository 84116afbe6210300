/// Weight matrices that multiply the same input, in one loop over the threads.
///
/// The loop's pieces are fixed when the model is opened: results do not depend on how many threads share them.
struct Projection: Sendable {
    /// Rows of one matrix that one thread multiplies at a time.
    struct Piece: Sendable {
        /// The place of the matrix in `matrices`.
        let matrix: Int
        let tile: Int
        /// Rows of the matrix: all within `tile` unless it is a float matrix that many tokens are multiplied by.
        let rows: Range<Int>
    }

    let matrices: [WeightMatrix]
    /// For one token: small, so that all threads end at about the same time.
    let vectorPieces: [Piece]
    /// For many tokens: large enough to pay for reading the activations again.
    let matrixPieces: [Piece]
    /// Whether the input is needed in 8 bits, for 4-bit weights, and in 16 bits, for 8-bit weights.
    let needsQuantizedInput: Bool
    let needsWideInput: Bool

    init(_ matrices: WeightMatrix...) {
        self.matrices = matrices
        let total = matrices.reduce(0) { $0 + $1.rows / $1.rowsPerGroup * $1.bytesPerGroup }
        let vectorBytes = min(max(total / 32, 16 << 10), 128 << 10)
        // Kernels take two groups together, and eight before they read the activations again.
        let groups = matrices.reduce(0) { $0 + ($1.rows - 1) / $1.rowsPerGroup + 1 }
        let matrixGroups = min(max(groups / 64 * 2, 2), 8)
        vectorPieces = Self.pieces(matrices) { matrix in max(vectorBytes / matrix.bytesPerGroup, 1) }
        matrixPieces = matrices.enumerated().flatMap { index, matrix in
            if matrix.layout.isQuantized {
                return Self.pieces([matrix]) { _ in matrixGroups }.map {
                    Piece(matrix: index, tile: $0.tile, rows: $0.rows)
                }
            }
            return Self.floatPieces(matrix).map { Piece(matrix: index, tile: $0.tile, rows: $0.rows) }
        }
        needsQuantizedInput = matrices.contains { $0.layout == .q4 }
        needsWideInput = matrices.contains { $0.layout == .q8 }
    }

    /// Cuts tiles into pieces of some groups of rows; a tile that has to be decoded is one piece.
    private static func pieces(_ matrices: [WeightMatrix], groups: (WeightMatrix) -> Int) -> [Piece] {
        var result: [Piece] = []
        for (index, matrix) in matrices.enumerated() {
            let rows = groups(matrix) * matrix.rowsPerGroup
            for tile in 0..<matrix.tileCount {
                let (start, end) = (matrix.tileStarts[tile], matrix.tileStarts[tile + 1])
                let step = matrix.isInPlace[tile] ? rows : max(end - start, 1)
                for first in stride(from: start, to: end, by: step) {
                    result.append(Piece(matrix: index, tile: tile, rows: first..<min(first + step, end)))
                }
            }
        }
        return result
    }

    /// Cuts a float matrix into pieces of about 256 rows, whole tiles where they have to be decoded. A piece is widened to
    /// float32 in scratch memory and handed to BLAS, which reads all activations for each.
    private static func floatPieces(_ matrix: WeightMatrix) -> [Piece] {
        let target = min(max((4 << 20) / (4 * matrix.columns), 16), 256)
        var result: [Piece] = []
        var first = 0
        for tile in 0..<matrix.tileCount {
            let end = matrix.tileStarts[tile + 1]
            while end - first >= target || (end == matrix.rows && first < end) {
                let next = matrix.isInPlace[tile] ? min(first + target, end) : end
                result.append(Piece(matrix: 0, tile: matrix.tile(ofRow: first), rows: first..<next))
                first = next
            }
        }
        return result
    }
}
