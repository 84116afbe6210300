/// Float32 numbers that kernels read and write: `[rows, columns]`, row by row, on 64-byte boundaries.
///
/// Rows are `stride` numbers apart, `columns` rounded up to 16. A matrix is a
/// reference to its memory, and so are the parts that `rows` gives. Several threads may write different elements.
public struct FloatMatrix: @unchecked Sendable {
    /// The number of rows.
    public let rows: Int
    /// The numbers in each row.
    public let columns: Int
    /// How far apart rows begin, in numbers.
    public let stride: Int
    /// The first number of the first row; valid while this value or another part of the same memory is.
    public let start: UnsafeMutablePointer<Float>
    private let memory: MatrixMemory

    /// A matrix whose content is anything.
    ///
    /// - Parameter pool: Where memory is taken from and goes back to; nil for memory of its own.
    public init(rows: Int, columns: Int, pool: MatrixPool? = nil) {
        precondition(rows >= 0 && columns >= 0)
        self.rows = rows
        self.columns = columns
        stride = (columns + 15) / 16 * 16
        memory = MatrixMemory(count: rows * stride, pool: pool)
        start = memory.start.bindMemory(to: Float.self, capacity: rows * stride)
    }

    private init(part: Range<Int>, of whole: FloatMatrix) {
        precondition(part.lowerBound >= 0 && part.upperBound <= whole.rows)
        rows = part.count
        columns = whole.columns
        stride = whole.stride
        memory = whole.memory
        start = whole.start + part.lowerBound * whole.stride
    }

    /// Some of the rows, in the same memory.
    public func rows(_ range: Range<Int>) -> FloatMatrix { FloatMatrix(part: range, of: self) }

    /// The first number of a row.
    public func row(_ index: Int) -> UnsafeMutablePointer<Float> { start + index * stride }

    /// A copy of the numbers: `[rows, columns]`, densely packed.
    public func values() -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(rows * columns)
        for index in 0..<rows { result += UnsafeBufferPointer(start: row(index), count: columns) }
        return result
    }

    /// Copies numbers over the first ones of a row.
    public func fill(row index: Int, with values: [Float]) {
        precondition(index < rows && values.count <= columns)
        values.withUnsafeBufferPointer { values in
            if let source = values.baseAddress { row(index).update(from: source, count: values.count) }
        }
    }

    /// Sets every number, those between rows too.
    public func fill(with value: Float) { start.update(repeating: value, count: rows * stride) }
}
