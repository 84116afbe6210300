import CKernels

/// Activations as integers, which quantized weights are multiplied by: `Int8` codes beside 4-bit weights
/// (`pvit_activations`), `Int16` codes beside 8-bit weights (`pvit_wide_activations`).
final class QuantizedActivations<Code: FixedWidthInteger> {
    /// How many columns share a scale.
    static var scaleBlock: Int { 32 }
    /// How many columns share a sum of codes.
    static var sumBlock: Int { Code.self == Int8.self ? 16 : 32 }
    /// How many numbers there is room for.
    let count: Int
    let codes: UnsafeMutablePointer<Code>
    let scales: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Int32>

    init(capacity: Int, columns: Int) {
        count = max(capacity * columns, 1)
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

/// Room for activations in 16 bits that grows to the largest request.
final class WideBuffer {
    private var memory = QuantizedActivations<Int16>(capacity: 0, columns: 0)

    /// Room for `rows` rows of `columns` numbers. Valid until more are reserved.
    func reserve(rows: Int, columns: Int) -> QuantizedActivations<Int16> {
        if memory.count < rows * columns { memory = QuantizedActivations(capacity: rows, columns: columns) }
        return memory
    }

    func release() { memory = QuantizedActivations(capacity: 0, columns: 0) }
}

extension QuantizedActivations<Int16> {
    /// The rows of `columns` numbers from `row` on, as kernels take them.
    func from(row: Int, columns: Int) -> pvit_wide_activations {
        let block = row * (columns / Self.scaleBlock)
        return pvit_wide_activations(codes: codes + row * columns, scales: scales + block, sums: sums + block)
    }

    /// Computes a row of `columns` numbers.
    func quantize(_ numbers: UnsafePointer<Float>, row: Int, columns: Int, _ kernels: pvit_kernels) {
        let block = row * (columns / Self.scaleBlock)
        kernels.quantize_wide_activations(numbers, columns, codes + row * columns, scales + block, sums + block)
    }
}

extension Matrix {
    /// The rows as 8-bit integers, as kernels take them.
    package var activations: pvit_activations {
        pvit_activations(codes: quantized.codes, scales: quantized.scales, sums: quantized.sums)
    }

    /// The rows as 16-bit integers, as kernels take them.
    package var wideActivations: pvit_wide_activations {
        wide.from(row: 0, columns: columns)
    }

    /// Computes the 8-bit integers of a row.
    package func quantize(row: Int, _ kernels: pvit_kernels) {
        let (codes, blocks) = (row * columns, row * (columns / 32))
        kernels.quantize_activations(
            self.row(row), columns, quantized.codes + codes, quantized.scales + blocks, quantized.sums + 2 * blocks)
    }

    /// Computes the 16-bit integers of a row.
    package func quantizeWide(row: Int, _ kernels: pvit_kernels) {
        wide.quantize(self.row(row), row: row, columns: columns, kernels)
    }
}
