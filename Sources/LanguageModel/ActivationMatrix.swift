/// Float32 activations that kernels read and write: `[rows, columns]`, row by row.
///
/// Rows are `stride` numbers apart and start on 64 bytes; `stride` leaves room for kernels that write whole groups of
/// 16 columns. The memory of rows that are never used stays untouched. Several threads may write different elements.
final class ActivationMatrix {
    /// The number of rows in use, at most `capacity`.
    var rows: Int {
        didSet { precondition(rows >= 0 && rows <= capacity) }
    }
    let capacity: Int
    let columns: Int
    let stride: Int
    let start: UnsafeMutablePointer<Float>
    /// In 8 bits, for 4-bit weights.
    private(set) lazy var quantized = QuantizedActivations<Int8>(capacity: capacity, columns: columns)
    /// In 16 bits, for 8-bit weights.
    private(set) lazy var wide = QuantizedActivations<Int16>(capacity: capacity, columns: columns)

    init(capacity: Int, columns: Int) {
        self.capacity = capacity
        self.columns = columns
        stride = (columns + 15) / 16 * 16
        rows = capacity
        start = UnsafeMutableRawPointer.allocate(byteCount: max(capacity * stride, 1) * 4, alignment: 64)
            .bindMemory(to: Float.self, capacity: capacity * stride)
    }

    deinit { start.deallocate() }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> { start + index * stride }

    /// Makes rows `kept` the only ones, one range after the other. The ranges ascend.
    func keepRows(_ kept: [Range<Int>]) {
        var next = 0
        for range in kept {
            precondition(next <= range.lowerBound && range.upperBound <= rows)
            if next < range.lowerBound { row(next).update(from: row(range.lowerBound), count: range.count * stride) }
            next += range.count
        }
        rows = next
    }

    /// Copies all rows of a matrix with as many columns after the last one.
    func append(_ other: ActivationMatrix) {
        precondition(other.columns == columns && rows + other.rows <= capacity)
        row(rows).update(from: other.start, count: other.rows * stride)
        rows += other.rows
    }

    /// Lends the numbers of one row: `[columns]`.
    func withRow<Result>(_ index: Int, _ body: (Span<Float>) throws -> Result) rethrows -> Result {
        try body(UnsafeBufferPointer(start: row(index), count: columns).span)
    }

    /// Copies numbers over the first ones of a row.
    func fill(row index: Int, with values: Span<Float>) {
        precondition(values.count <= columns)
        values.withUnsafeBufferPointer { values in
            if let source = values.baseAddress { row(index).update(from: source, count: values.count) }
        }
    }
}

/// The same activations as integers (`pvit_activations`, `pvit_wide_activations`): what quantized weights are
/// multiplied by.
final class QuantizedActivations<Code: FixedWidthInteger> {
    let columns: Int
    /// How many columns share a scale.
    static var scaleBlock: Int { 32 }
    /// How many columns share a sum of codes.
    static var sumBlock: Int { Code.self == Int8.self ? 16 : 32 }
    let codes: UnsafeMutablePointer<Code>
    let scales: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Int32>

    init(capacity: Int, columns: Int) {
        self.columns = columns
        let count = max(capacity * columns, 1)
        func memory<Number>(_ count: Int, _ type: Number.Type) -> UnsafeMutablePointer<Number> {
            UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Number>.size, alignment: 64)
                .bindMemory(to: Number.self, capacity: count)
        }
        codes = memory(count, Code.self)
        scales = memory(count / Self.scaleBlock + 16, Float.self)
        sums = memory(count / Self.sumBlock + 16, Int32.self)
    }

    deinit {
        codes.deallocate()
        scales.deallocate()
        sums.deallocate()
    }
}
