import CKernels
import Storage
import Tensors

/// Decodes q4 and q8 tiles (`formats/blocks.md`) to f32, for statistics, checks and other formats. Inference multiplies
/// by the codes themselves.
package struct TileDecoder: Sendable {
    /// `.q4` or `.q8`.
    package let encoding: TensorEncoding
    /// The number of weights in a row.
    package let columns: Int
    private let bytesPerGroup: Int

    /// Prepares for a matrix with rows of `columns` weights.
    ///
    /// - Throws: `quantize.shape` when the encoding is not quantized or does not suit `columns`.
    package init(encoding: TensorEncoding, columns: Int) throws {
        bytesPerGroup = try encoding.quantizedGroupByteCount(columns: columns)
        self.encoding = encoding
        self.columns = columns
    }

    /// Decodes rows of a tile.
    ///
    /// - Parameters:
    ///   - rows: Rows of the tile.
    ///   - tile: Groups of 16 rows.
    ///   - scale: The scale of the tile.
    ///   - numbers: [rows, columns] packed f32.
    /// - Throws: `quantize.shape` when `numbers` has another size or the tile does not have the rows.
    package func decode(
        _ rows: Range<Int>, of tile: RawSpan, scale: Float, into numbers: inout MutableRawSpan
    ) throws {
        let groups = (tile.byteCount / bytesPerGroup) * groupRows
        guard rows.lowerBound >= 0, rows.upperBound <= groups, numbers.byteCount == rows.count * columns * 4 else {
            throw PVITError(
                .cannotQuantize,
                "a tile of \(tile.byteCount) bytes does not hold the rows \(rows) of \(columns) weights as \(encoding)")
        }
        let kernels = pvit_kernels_best().pointee
        guard let decodeRow = encoding == .q4 ? kernels.row_q4 : kernels.row_q8 else {
            throw PVITError(.internalDefect, "there is no decoder for \(encoding)")
        }
        tile.withUnsafeBytes { bytes in
            numbers.withUnsafeMutableBytes { numbers in
                guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    let floats = numbers.baseAddress?.assumingMemoryBound(to: Float.self)
                else { return }
                for (index, row) in rows.enumerated() {
                    decodeRow(
                        start + row / groupRows * bytesPerGroup, row % groupRows, columns, scale,
                        floats + index * columns)
                }
            }
        }
    }
}

extension TensorEncoding {
    /// The size of a group of 16 rows of `columns` weights in bytes.
    ///
    /// - Throws: `quantize.shape` when the encoding is not quantized or does not suit `columns`.
    func quantizedGroupByteCount(columns: Int) throws -> Int {
        guard self == .q4 || self == .q8, let byteCount = bytesPerGroup(columns: columns) else {
            throw PVITError(.cannotQuantize, "rows of \(columns) weights cannot be encoded as \(self)")
        }
        return byteCount
    }
}
