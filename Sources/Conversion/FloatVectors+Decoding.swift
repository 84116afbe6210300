import CKernels
import Storage
import Tensors

extension FloatVectors {
    /// Decodes rows of a quantized tile to packed f32.
    ///
    /// - Parameters:
    ///   - rows: Rows of the tile.
    ///   - content: The groups of the tile.
    ///   - columns: The length of a row, a multiple of 32.
    ///   - result: `rows.count * columns` numbers.
    static func decode(
        _ rows: Range<Int>, of content: RawSpan, _ encoding: TensorEncoding, columns: Int, tileScale: Float,
        into result: inout MutableRawSpan
    ) throws {
        let kernels = try table()
        guard let bytesPerGroup = encoding.bytesPerGroup(columns: columns),
            let needed = encoding.byteCount(rows: rows.upperBound, columns: columns), needed <= content.byteCount,
            let kernel = encoding == .q4 ? kernels.row_q4 : kernels.row_q8
        else { throw PVITError(.internalDefect, "rows \(rows) are not in the tile") }
        try check(result.byteCount == rows.count * columns * 4, "the number of rows to decode")
        content.withUnsafeBytes { content in
            result.withUnsafeMutableBytes { result in
                guard let groups = content.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    let floats = result.baseAddress?.assumingMemoryBound(to: Float.self)
                else { return }
                for (place, row) in rows.enumerated() {
                    let group = groups + row / encoding.rowsPerGroup * bytesPerGroup
                    kernel(group, row % encoding.rowsPerGroup, columns, tileScale, floats + place * columns)
                }
            }
        }
    }
}
