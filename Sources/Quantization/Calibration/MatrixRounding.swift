import CKernels
import LinearAlgebra
import Parallelism
import Storage
import Tensors

/// Rounds matrices to the nearest codes of q4 and back.
struct MatrixRounding {
    let pool: ThreadPool
    let kernels: pvit_kernels
    /// The rows that share a scale, as those of a tile do.
    private static let tileRows = 64

    /// [rows, columns]: what the q4 codes of a matrix decode to.
    ///
    /// - Parameter importance: [columns], the weights of squared errors; nil for equal ones.
    /// - Throws: `quantize.not-finite` naming a row, `quantize.shape`.
    func q4(_ matrix: DenseMatrix<Float>, importance: [Float]?) throws -> DenseMatrix<Float> {
        let quantizer = try TileQuantizer(
            encoding: .q4, columns: matrix.columns, importance: importance, kernels: kernels)
        let decoder = try TileDecoder(encoding: .q4, columns: matrix.columns)
        let result = try DenseMatrix<Float>(rows: matrix.rows, columns: matrix.columns)
        try pool.parallelFor((matrix.rows + Self.tileRows - 1) / Self.tileRows) { tiles, _ in
            for tile in tiles {
                let first = tile * Self.tileRows
                let count = min(Self.tileRows, matrix.rows - first)
                let rows = Span(_unsafeStart: matrix.row(first), count: count * matrix.columns)
                let largest = try TileQuantizer.largestMagnitude(
                    of: rows, columns: matrix.columns, firstRow: first, kernels: kernels)
                let encoded = try quantizer.encode(rows: rows, largest: largest)
                var decoded = MutableRawSpan(
                    _unsafeBytes: UnsafeMutableRawBufferPointer(
                        start: result.row(first), count: count * matrix.columns * 4))
                try decoder.decode(
                    0..<count, of: encoded.bytes.span.bytes, scale: encoded.scale, into: &decoded)
            }
        }
        return result
    }
}
