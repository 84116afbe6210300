import CKernels

/// Float32 numbers that kernels read and write: `[rows, columns]`, row by row.
///
/// Rows are `stride` numbers apart and start on 64-byte boundaries. `stride` is `columns` rounded up to 16, so that
/// kernels can write whole groups of 16 columns. The memory of rows that are never written stays untouched. Several
/// threads may write different elements at the same time; `rows` changes only between the loops that threads share.
package final class Matrix: @unchecked Sendable {
    /// The number of rows in use, at most `capacity`.
    package var rows: Int {
        didSet { precondition(rows >= 0 && rows <= capacity) }
    }
    /// The number of rows that there is memory for.
    package let capacity: Int
    /// The length of a row.
    package let columns: Int
    /// The distance between the starts of neighbouring rows, in numbers.
    package let stride: Int
    /// The first number of the first row.
    package let start: UnsafeMutablePointer<Float>
    /// A few rows as 8-bit integers, which 4-bit weights are multiplied by.
    private(set) lazy var quantized = QuantizedActivations<Int8>(
        capacity: min(capacity, Int(PVIT_GEMV_TOKENS)), columns: columns)
    /// A few rows as 16-bit integers, which 8-bit weights are multiplied by.
    private(set) lazy var wide = QuantizedActivations<Int16>(
        capacity: min(capacity, Int(PVIT_GEMV_TOKENS)), columns: columns)
    /// Any number of rows as integers, in the order in which kernels read many of them.
    private(set) lazy var packed = (narrow: PackedBuffer(), wide: PackedBuffer())
    private let memory: MatrixMemory

    /// Creates a matrix of uninitialized numbers.
    ///
    /// - Parameters:
    ///   - rows: The number of rows, and the capacity.
    ///   - pool: Where memory is taken from and returned to; nil to allocate it.
    package init(rows: Int, columns: Int, pool: MatrixPool? = nil) {
        precondition(rows >= 0 && columns >= 0)
        self.rows = rows
        self.columns = columns
        capacity = rows
        stride = (columns + 15) / 16 * 16
        memory = MatrixMemory(count: rows * stride, pool: pool)
        start = memory.start.bindMemory(to: Float.self, capacity: rows * stride)
    }

    private init(rows: Range<Int>, of whole: Matrix) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= whole.rows)
        self.rows = rows.count
        capacity = rows.count
        columns = whole.columns
        stride = whole.stride
        memory = whole.memory
        start = whole.start + rows.lowerBound * whole.stride
    }

    /// Some of the rows, in the same memory.
    package func slice(_ rows: Range<Int>) -> Matrix { Matrix(rows: rows, of: self) }

    /// The first number of a row. Valid for as long as the matrix or a slice of it exists.
    package func row(_ index: Int) -> UnsafeMutablePointer<Float> { start + index * stride }

    /// Lends the numbers of one row: `[columns]`.
    package func withRow<Result>(_ index: Int, _ body: (Span<Float>) throws -> Result) rethrows -> Result {
        precondition(index >= 0 && index < rows)
        return try body(UnsafeBufferPointer(start: row(index), count: columns).span)
    }

    /// A copy of the numbers: `[rows, columns]`, densely packed.
    package func values() -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(rows * columns)
        for index in 0..<rows { result += UnsafeBufferPointer(start: row(index), count: columns) }
        return result
    }

    /// Copies numbers over the first ones of a row.
    package func fill(row index: Int, with values: Span<Float>) {
        precondition(index >= 0 && index < rows && values.count <= columns)
        values.withUnsafeBufferPointer { values in
            if let source = values.baseAddress { row(index).update(from: source, count: values.count) }
        }
    }

    /// Sets every number, including those between the rows.
    package func fill(with value: Float) { start.update(repeating: value, count: rows * stride) }

    /// Keeps only the given rows, one range after the other. The ranges ascend.
    package func keepRows(_ kept: [Range<Int>]) {
        var next = 0
        for range in kept {
            precondition(next <= range.lowerBound && range.upperBound <= rows)
            if next < range.lowerBound { row(next).update(from: row(range.lowerBound), count: range.count * stride) }
            next += range.count
        }
        rows = next
    }

    /// Copies all rows of a matrix with as many columns after the last row.
    package func append(_ other: Matrix) {
        precondition(other.columns == columns && rows + other.rows <= capacity)
        row(rows).update(from: other.start, count: other.rows * stride)
        rows += other.rows
    }
}
