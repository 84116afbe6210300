import CKernels
import Container
import Tensors

/// Weights as float32, whatever their encoding: packed for products, or as rows.
extension WeightMatrix {
    /// Rows of one tile.
    struct TileRows: Sendable {
        let tile: Int
        let rows: Range<Int>
    }

    /// Cuts rows by tiles. The rows of a compressed tile stay together; those of a stored one are cut at multiples of
    /// `step`.
    func tileRows(of rows: Range<Int>, step: Int) -> [TileRows] {
        var result: [TileRows] = []
        var next = rows.lowerBound
        while next < rows.upperBound {
            let tile = tile(ofRow: next)
            let boundary = isStored[tile] ? (next / step + 1) * step : rows.upperBound
            let end = min(boundary, tileStarts[tile + 1], rows.upperBound)
            result.append(TileRows(tile: tile, rows: next..<end))
            next = end
        }
        return result
    }

    /// Packs rows of one tile: row r becomes lane r % 16 of group (r - firstRow) / 16.
    ///
    /// - Parameters:
    ///   - firstRow: The row that the first group begins with, a multiple of 16.
    ///   - groups: `[groups, columns, 16]`.
    func pack(
        _ range: TileRows, firstRow: Int, into groups: UnsafeMutablePointer<Float>, _ kernels: pvit_kernels,
        _ scratch: WorkerScratch
    ) throws {
        try withGroups(of: range, firstRow: firstRow, kernels, scratch) { rows, values, type in
            let first = rows.lowerBound
            kernels.pack_rows(
                values, type, rows.count, columns, columns, kernelArea, first % 16,
                groups + (first - firstRow) / 16 * 16 * columns)
        }
    }

    /// Packs rows: row r becomes lane i % 16 of group i / 16, where i = r - rows.lowerBound. The remaining lanes of the
    /// last group are zeros.
    ///
    /// - Parameters:
    ///   - rows: Quantized rows begin with a multiple of 16.
    ///   - groups: `[groups, columns, 16]`.
    func pack(
        _ rows: Range<Int>, into groups: UnsafeMutablePointer<Float>, _ kernels: pvit_kernels, _ scratch: WorkerScratch
    ) throws {
        for range in tileRows(of: rows, step: self.rows) {
            try withGroups(of: range, firstRow: rows.lowerBound, kernels, scratch) { part, values, type in
                let (number, lane) = (part.lowerBound - rows.lowerBound).quotientAndRemainder(dividingBy: 16)
                let group = groups + number * 16 * columns
                guard part.count < 16 else {
                    return kernels.pack_rows(values, type, 16, columns, columns, kernelArea, 0, group)
                }
                // Whole groups are packed much faster than incomplete ones: a group that tiles share is collected
                // first.
                let rowBytes = columns * (type == PVIT_FLOAT_F32 ? 4 : 2)
                let whole = UnsafeMutableRawPointer(scratch.group.reserve(16 * columns))
                (whole + lane * rowBytes).copyMemory(from: values, byteCount: part.count * rowBytes)
                let filled = lane + part.count
                guard filled == 16 || part.upperBound == rows.upperBound else { return }
                (whole + filled * rowBytes).initializeMemory(
                    as: UInt8.self, repeating: 0, count: (16 - filled) * rowBytes)
                kernels.pack_rows(whole, type, 16, columns, columns, kernelArea, 0, group)
            }
        }
    }

    /// Writes rows as float32: `[rows, columns]`, `stride` numbers apart.
    ///
    /// - Parameter rows: Quantized rows begin with a multiple of 16.
    func widen(
        _ rows: Range<Int>, into result: UnsafeMutablePointer<Float>, stride: Int, _ kernels: pvit_kernels,
        _ scratch: WorkerScratch
    ) throws {
        for range in tileRows(of: rows, step: self.rows) {
            try withGroups(of: range, firstRow: rows.lowerBound, kernels, scratch) { part, values, type in
                for row in 0..<part.count {
                    let target = result + (part.lowerBound - rows.lowerBound + row) * stride
                    let halves = values.assumingMemoryBound(to: UInt16.self) + row * columns
                    switch type {
                    case PVIT_FLOAT_F16: kernels.f16_to_f32(halves, target, columns)
                    case PVIT_FLOAT_BF16: kernels.bf16_to_f32(halves, target, columns)
                    default:
                        target.update(from: values.assumingMemoryBound(to: Float.self) + row * columns, count: columns)
                    }
                }
            }
        }
    }

    /// All rows as float32: `[rows, columns]`, for tensors that are no right side of a product.
    ///
    /// - Throws: The errors of reading tiles.
    package func decoded() throws -> Matrix {
        let result = Matrix(rows: rows, columns: columns)
        try widen(
            0..<rows, into: result.start, stride: result.stride, InstructionSet.kernels(nil).table, WorkerScratch())
        return result
    }

    /// Lends rows of one tile, at most 16 at a time, all of one group: `[rows, columns]`. Quantized rows are decoded.
    private func withGroups(
        of range: TileRows, firstRow: Int, _ kernels: pvit_kernels, _ scratch: WorkerScratch,
        _ body: (Range<Int>, UnsafeRawPointer, pvit_float_type) throws -> Void
    ) throws {
        try withTile(range.tile, scratch.tile) { tileStart, scale in
            var first = range.rows.lowerBound
            while first < range.rows.upperBound {
                let rows = first..<min(range.rows.upperBound, firstRow + ((first - firstRow) / 16 + 1) * 16)
                let start = tileStart + (first - tileStarts[range.tile]) / rowsPerGroup * bytesPerGroup
                switch layout {
                case .f16: try body(rows, start, PVIT_FLOAT_F16)
                case .bf16: try body(rows, start, PVIT_FLOAT_BF16)
                case .f32: try body(rows, start, PVIT_FLOAT_F32)
                case .q8, .q4:
                    let group = start.assumingMemoryBound(to: UInt8.self)
                    let values = scratch.rows.reserve(rows.count * columns)
                    for row in 0..<rows.count {
                        let target = values + row * columns
                        if layout == .q8 {
                            kernels.row_q8(group, row, columns, scale, target)
                        } else {
                            kernels.row_q4(group, row, columns, scale, target)
                        }
                    }
                    try body(rows, values, PVIT_FLOAT_F32)
                }
                first = rows.upperBound
            }
        }
    }
}

extension Container {
    /// A vector of floats of any type, widened to float32: `[1, count]`, followed by zeros up to the stride.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` if it does not have `count` elements or they are not floats;
    ///   the errors of reading tiles.
    package func vector(_ name: TensorName, count: Int) throws -> Matrix {
        // A vector's rows are its elements.
        let column = try WeightMatrix(name, shape: [count], in: self).decoded()
        let result = Matrix(rows: 1, columns: count)
        result.fill(with: 0)
        for index in 0..<count { result.start[index] = column.row(index).pointee }
        return result
    }
}
