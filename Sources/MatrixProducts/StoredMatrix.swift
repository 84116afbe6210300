import CKernels
import Container
import Tensors

/// A tensor of a container as the right side of float products: `[outputs, depth]`, rows in tiles.
///
/// A convolution's kernels `[outputs, channels, height, width]` are rows whose columns are taken in the order of
/// patches, `[height, width, channels]`. Every encoding is widened to float32 as rows are packed: tiles that are stored
/// plainly are read where they are mapped, others are decoded into a thread's scratch, and no copy of the whole is
/// made.
public struct StoredMatrix: Sendable {
    /// The name in the container.
    public let name: TensorName
    /// The number of rows: the columns of a product.
    public let outputs: Int
    /// The numbers in a row.
    public let depth: Int
    /// The places of a convolution's kernel: height times width; 1 for a matrix.
    let taps: Int
    /// How many rows are decompressed at a time; nil when all are stored as they are, and any of them can be read
    /// alone.
    let rowsReadTogether: Int?
    private let container: Container
    private let tensor: StoredTensor

    /// The tensor called `name`.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when it does not have this shape or its numbers are not of a
    ///   type that can be multiplied; the errors of reading the container's index.
    public init(_ name: TensorName, shape: [Int], in container: Container) throws {
        let tensor = try container.tensor(existing: name, shape: shape)
        switch tensor.encoding {
        case .plain(.f32), .plain(.f16), .plain(.bf16), .q8, .q4: break
        case .plain(let type):
            throw PVITError(.tensorMismatch, "weights of type \(type) cannot be computed with", tensor: name)
        }
        self.name = name
        outputs = tensor.shape.rows
        depth = tensor.shape.elementsPerRow
        taps = shape.count == 4 ? shape[2] * shape[3] : 1
        let isStored = try (0..<tensor.tileCount).allSatisfy { try container.tile($0, of: tensor).codec == .stored }
        rowsReadTogether = isStored ? nil : tensor.rowsPerTile
        self.container = container
        self.tensor = tensor
    }

    /// Rows of one tile.
    struct Piece: Sendable {
        let tile: Int
        let rows: Range<Int>
    }

    /// Cuts rows into pieces: a tile that has to be decoded is one piece, others are cut at multiples of `step`.
    func pieces(of rows: Range<Int>, step: Int) throws -> [Piece] {
        var result: [Piece] = []
        var next = rows.lowerBound
        while next < rows.upperBound {
            let tile = try container.tile(next / tensor.rowsPerTile, of: tensor)
            guard tile.rows.contains(next) else {
                throw PVITError(.tensorMismatch, "the tiles do not hold all rows", tensor: name)
            }
            let boundary = tile.codec == .stored ? (next / step + 1) * step : rows.upperBound
            let end = min(boundary, tile.rows.upperBound, rows.upperBound)
            result.append(Piece(tile: tile.index, rows: next..<end))
            next = end
        }
        return result
    }

    /// Packs the rows of a piece: row r is lane r % 16 of group (r - firstRow) / 16.
    ///
    /// - Parameters:
    ///   - firstRow: The row that the first group begins with, a multiple of 16.
    ///   - groups: `[groups, depth, 16]`.
    func pack(
        _ piece: Piece, firstRow: Int, into groups: UnsafeMutablePointer<Float>, _ kernels: FloatKernels,
        _ memory: WorkerMemory
    ) throws {
        try withRows(of: piece, firstRow: firstRow, kernels, memory) { rows, values, type in
            let first = rows.lowerBound
            kernels.packRows(
                values, type, rows.count, depth, depth, taps, first % 16,
                groups + (first - firstRow) / 16 * 16 * depth)
        }
    }

    /// Packs rows: row r is lane i % 16 of group i / 16 for i = r - rows.lowerBound. Other lanes of the last group are
    /// zeros.
    ///
    /// - Parameters:
    ///   - rows: They begin with a multiple of 16 when they are quantized.
    ///   - groups: `[groups, depth, 16]`.
    func pack(
        _ rows: Range<Int>, into groups: UnsafeMutablePointer<Float>, _ kernels: FloatKernels, _ memory: WorkerMemory
    ) throws {
        for piece in try pieces(of: rows, step: outputs) {
            try withRows(of: piece, firstRow: rows.lowerBound, kernels, memory) { part, values, type in
                let (number, lane) = (part.lowerBound - rows.lowerBound).quotientAndRemainder(dividingBy: 16)
                let group = groups + number * 16 * depth
                guard part.count < 16 else {
                    return kernels.packRows(values, type, 16, depth, depth, taps, 0, group)
                }
                // Whole groups are packed much faster than parts of them: those that tiles share are put together
                // first.
                let rowBytes = depth * (type == PVIT_FLOAT_F32 ? 4 : 2)
                let whole = UnsafeMutableRawPointer(memory.group.grow(to: 16 * depth))
                (whole + lane * rowBytes).copyMemory(from: values, byteCount: part.count * rowBytes)
                let filled = lane + part.count
                guard filled == 16 || part.upperBound == rows.upperBound else { return }
                (whole + filled * rowBytes).initializeMemory(
                    as: UInt8.self, repeating: 0, count: (16 - filled) * rowBytes)
                kernels.packRows(whole, type, 16, depth, depth, taps, 0, group)
            }
        }
    }

    /// Lends the rows of a piece, at most 16 at a time, all of one group: `[rows, depth]`. Quantized rows are decoded.
    private func withRows(
        of piece: Piece, firstRow: Int, _ kernels: FloatKernels, _ memory: WorkerMemory,
        _ body: (Range<Int>, UnsafeRawPointer, pvit_float_type) throws -> Void
    ) throws {
        try container.withTile(piece.tile, of: tensor, scratch: memory.tile) { bytes, tile in
            guard
                bytes.byteCount == tensor.encoding.byteCount(rows: tile.rows.count, columns: depth),
                let bytesPerGroup = tensor.encoding.bytesPerGroup(columns: depth)
            else { throw PVITError(.tensorMismatch, "a tile is shorter than its rows", tensor: name) }
            let rowsPerGroup = tensor.encoding.rowsPerGroup
            try bytes.withUnsafeBytes { bytes in
                guard let tileStart = bytes.baseAddress else {
                    throw PVITError(.internalDefect, "a tile has no bytes", tensor: name)
                }
                var first = piece.rows.lowerBound
                while first < piece.rows.upperBound {
                    let rows = first..<min(piece.rows.upperBound, firstRow + ((first - firstRow) / 16 + 1) * 16)
                    let start = tileStart + (first - tile.rows.lowerBound) / rowsPerGroup * bytesPerGroup
                    switch tensor.encoding {
                    case .plain(.f16): try body(rows, start, PVIT_FLOAT_F16)
                    case .plain(.bf16): try body(rows, start, PVIT_FLOAT_BF16)
                    case .plain: try body(rows, start, PVIT_FLOAT_F32)
                    case .q8, .q4:
                        let decode = tensor.encoding == .q8 ? kernels.rowQ8 : kernels.rowQ4
                        let group = start.assumingMemoryBound(to: UInt8.self)
                        let values = memory.rows.grow(to: rows.count * depth)
                        for row in 0..<rows.count { decode(group, row, depth, tile.scale, values + row * depth) }
                        try body(rows, values, PVIT_FLOAT_F32)
                    }
                    first = rows.upperBound
                }
            }
        }
    }

    /// All rows as float32: `[outputs, depth]`, for tensors that are no right side of a product.
    ///
    /// - Throws: The errors of reading tiles.
    public func decoded() throws -> FloatMatrix {
        let result = FloatMatrix(rows: outputs, columns: depth)
        try widen(0..<outputs, into: result.start, stride: result.stride, FloatKernels(), WorkerMemory())
        return result
    }

    /// Writes rows as float32: `[rows, depth]`, `stride` numbers apart.
    ///
    /// - Parameter rows: They begin with a multiple of 16 when they are quantized.
    func widen(
        _ rows: Range<Int>, into result: UnsafeMutablePointer<Float>, stride: Int, _ kernels: FloatKernels,
        _ memory: WorkerMemory
    ) throws {
        for piece in try pieces(of: rows, step: outputs) {
            try withRows(of: piece, firstRow: rows.lowerBound, kernels, memory) { part, values, type in
                for row in 0..<part.count {
                    let target = result + (part.lowerBound - rows.lowerBound + row) * stride
                    let halves = values.assumingMemoryBound(to: UInt16.self) + row * depth
                    switch type {
                    case PVIT_FLOAT_F16: kernels.widenF16(halves, target, depth)
                    case PVIT_FLOAT_BF16: kernels.widenBF16(halves, target, depth)
                    default:
                        target.update(from: values.assumingMemoryBound(to: Float.self) + row * depth, count: depth)
                    }
                }
            }
        }
    }
}

extension Container {
    /// A vector of floats of any type, widened to float32: one row of `count` numbers, zeros after them.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when it does not have `count` elements or they are not
    ///   floats.
    public func floatVector(_ name: TensorName, count: Int) throws -> FloatMatrix {
        // A vector's rows are its elements.
        let column = try StoredMatrix(name, shape: [count], in: self).decoded()
        let result = FloatMatrix(rows: 1, columns: count)
        result.fill(with: 0)
        for index in 0..<count { result.start[index] = column.row(index).pointee }
        return result
    }

    /// The tensor called `name`.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when it does not have this shape.
    func tensor(existing name: TensorName, shape: [Int]) throws -> StoredTensor {
        guard let tensor = try tensor(named: name) else {
            throw PVITError(.tensorNotFound, "the model lacks a tensor", tensor: name)
        }
        guard tensor.shape.dimensions == shape else {
            throw PVITError(
                .tensorMismatch,
                "the shape is \(tensor.shape), and the model's configuration asks for \(shape)", tensor: name)
        }
        return tensor
    }
}
