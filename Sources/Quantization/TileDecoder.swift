import CKernels
import Storage
import Tensors

/// Decodes q4 and q8 tiles (`formats/blocks.md`) to numbers, for statistics, checks and other formats; inference
/// multiplies by the codes themselves.
public struct TileDecoder: Sendable {
    /// `.q4` or `.q8`.
    public let encoding: TensorEncoding
    /// The number of weights in a row.
    public let columns: Int
    private let bytesPerGroup: Int

    /// Prepares for a matrix with rows of `columns` weights.
    ///
    /// - Throws: `quantize.shape` when the encoding is not quantized or does not suit `columns`.
    public init(encoding: TensorEncoding, columns: Int) throws {
        guard encoding == .q4 || encoding == .q8, let bytesPerGroup = encoding.bytesPerGroup(columns: columns) else {
            throw PVITError(.cannotQuantize, "rows of \(columns) weights are not encoded as \(encoding)")
        }
        self.encoding = encoding
        self.columns = columns
        self.bytesPerGroup = bytesPerGroup
    }

    /// Decodes the first rows of a tile.
    ///
    /// - Parameters:
    ///   - tile: Groups of 16 rows.
    ///   - scale: The scale of the tile.
    ///   - rows: [rows, columns], at most as many rows as the tile's groups have.
    /// - Throws: `quantize.shape` when `rows` is not whole rows or `tile` has another size than they need.
    public func decode(_ tile: RawSpan, scale: Float, into rows: inout MutableSpan<Float>) throws {
        let rowCount = rows.count / columns
        guard rows.count % columns == 0, tile.byteCount == encoding.byteCount(rows: rowCount, columns: columns) else {
            throw PVITError(
                .cannotQuantize, "a tile of \(tile.byteCount) bytes does not hold \(rows.count) weights as \(encoding)")
        }
        let kernels = pvit_kernels_best().pointee
        guard let decodeRow = encoding == .q4 ? kernels.row_q4 : kernels.row_q8 else {
            throw PVITError(.internalDefect, "there is no decoder for \(encoding)")
        }
        tile.withUnsafeBytes { bytes in
            guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
            rows.withUnsafeMutableBufferPointer { numbers in
                for row in 0..<rowCount {
                    decodeRow(
                        start + row / groupRows * bytesPerGroup, row % groupRows, columns, scale,
                        numbers.baseAddress?.advanced(by: row * columns))
                }
            }
        }
    }
}
