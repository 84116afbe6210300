import CKernels

/// Activations as integers, which quantized weights are multiplied by: `Int8` codes beside 4-bit weights
/// (`pvit_activations`), `Int16` codes beside 8-bit weights (`pvit_wide_activations`).
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

extension Matrix {
    /// The rows as 8-bit integers, as kernels take them.
    package var activations: pvit_activations {
        pvit_activations(codes: quantized.codes, scales: quantized.scales, sums: quantized.sums)
    }

    /// The rows as 16-bit integers, as kernels take them.
    package var wideActivations: pvit_wide_activations {
        pvit_wide_activations(codes: wide.codes, scales: wide.scales, sums: wide.sums)
    }

    /// Computes the 8-bit integers of a row.
    package func quantize(row: Int, _ kernels: pvit_kernels) {
        let (codes, blocks) = (row * columns, row * (columns / 32))
        kernels.quantize_activations(
            self.row(row), columns, quantized.codes + codes, quantized.scales + blocks, quantized.sums + 2 * blocks)
    }

    /// Computes the 16-bit integers of a row.
    package func quantizeWide(row: Int, _ kernels: pvit_kernels) {
        let (codes, blocks) = (row * columns, row * (columns / 32))
        kernels.quantize_wide_activations(
            self.row(row), columns, wide.codes + codes, wide.scales + blocks, wide.sums + blocks)
    }
}
