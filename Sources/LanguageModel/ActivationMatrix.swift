/// Float32 activations that kernels read and write: `[rows, columns]`, row by row.
///
/// Rows are `stride` numbers apart and start on 64 bytes; `stride` leaves room for kernels that write whole groups of 16
/// columns. The memory of rows that are never used stays untouched. Several threads may write different elements.
final class ActivationMatrix {
    /// The number of rows in use, at most `capacity`.
    var rows: Int {
        didSet { precondition(rows >= 0 && rows <= capacity) }
    }
    let capacity: Int
    let columns: Int
    let stride: Int
    let start: UnsafeMutablePointer<Float>
    private(set) lazy var quantized = QuantizedActivations(capacity: capacity, columns: columns)
    /// What `quantized` leaves out, in 8 bits of its own.
    private(set) lazy var residual = QuantizedActivations(capacity: capacity, columns: columns)

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

/// The same activations in 8 bits (`pvit_activations`): what quantized weights are multiplied by.
final class QuantizedActivations {
    let columns: Int
    let codes: UnsafeMutablePointer<Int8>
    let scales: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Int32>

    init(capacity: Int, columns: Int) {
        self.columns = columns
        let count = max(capacity * columns, 1)
        codes = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
            .bindMemory(to: Int8.self, capacity: count)
        scales = UnsafeMutableRawPointer.allocate(byteCount: count / 8 + 64, alignment: 64)
            .bindMemory(to: Float.self, capacity: count / 32 + 16)
        sums = UnsafeMutableRawPointer.allocate(byteCount: count / 4 + 64, alignment: 64)
            .bindMemory(to: Int32.self, capacity: count / 16 + 16)
    }

    deinit {
        codes.deallocate()
        scales.deallocate()
        sums.deallocate()
    }
}
