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
        kernels.quantize_wide_activations(
            numbers, columns, kernels.byte_limit(numbers, columns), codes + row * columns, scales + block, sums + block)
    }
}

/// Memory of packed activations that grows to the largest request.
final class PackedBuffer {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit { release() }

    /// Uninitialized memory, which stays untouched where nothing is written. Valid until more is reserved.
    func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
        if let start = memory.baseAddress, memory.count >= byteCount { return start }
        release()
        let start = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
        memory = UnsafeMutableRawBufferPointer(start: start, count: max(byteCount, 64))
        return start
    }

    func release() {
        memory.deallocate()
        memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
}

extension pvit_kernels {
    /// Quantizes `columns` numbers to 8 bits and packs them as number `token` of `tokens`.
    func pack(
        _ numbers: UnsafePointer<Float>, columns: Int, token: Int, of tokens: Int, into packed: UnsafeMutableRawPointer
    ) {
        pvit_quantize_and_pack(quantize_activations, pack_activations, numbers, columns, token, tokens, packed)
    }

    /// Quantizes `columns` numbers to 16 bits and packs them as number `token` of `tokens`.
    func packWide(
        _ numbers: UnsafePointer<Float>, columns: Int, token: Int, of tokens: Int, into packed: UnsafeMutableRawPointer
    ) {
        pvit_quantize_and_pack_wide(
            quantize_wide_activations, pack_wide_activations, numbers, columns, byte_limit(numbers, columns), token,
            tokens, packed)
    }
}

extension Matrix {
    /// Whether there are so many rows that kernels read them packed.
    var isPackedForProducts: Bool { rows > Int(PVIT_GEMV_TOKENS) }

    /// The rows as packed 8-bit integers: room for all of them, for kernels of one instruction set.
    package func packedActivations(_ kernels: pvit_kernels) -> UnsafeMutableRawPointer {
        packed.narrow.reserve(capacity * kernels.packed_activation_bytes(columns))
    }

    /// The rows as packed 16-bit integers: room for all of them, for kernels of one instruction set.
    package func packedWideActivations(_ kernels: pvit_kernels) -> UnsafeMutableRawPointer {
        packed.wide.reserve(capacity * kernels.packed_wide_activation_bytes(columns))
    }

    /// Packs a row as 8-bit integers into the memory of `packedActivations`.
    package func pack(row: Int, into packed: UnsafeMutableRawPointer, _ kernels: pvit_kernels) {
        kernels.pack(self.row(row), columns: columns, token: row, of: rows, into: packed)
    }

    /// Packs a row as 16-bit integers into the memory of `packedWideActivations`.
    package func packWide(row: Int, into packed: UnsafeMutableRawPointer, _ kernels: pvit_kernels) {
        kernels.packWide(self.row(row), columns: columns, token: row, of: rows, into: packed)
    }

    /// The first rows, at most `PVIT_GEMV_TOKENS`, as 8-bit integers, as kernels take them.
    package var activations: pvit_activations {
        pvit_activations(codes: quantized.codes, scales: quantized.scales, sums: quantized.sums)
    }

    /// The first rows, at most `PVIT_GEMV_TOKENS`, as 16-bit integers, as kernels take them.
    package var wideActivations: pvit_wide_activations {
        wide.from(row: 0, columns: columns)
    }

    /// Computes the 8-bit integers of one of the first `PVIT_GEMV_TOKENS` rows.
    package func quantize(row: Int, _ kernels: pvit_kernels) {
        precondition(row < Int(PVIT_GEMV_TOKENS))
        let (codes, blocks) = (row * columns, row * (columns / 32))
        kernels.quantize_activations(
            self.row(row), columns, quantized.codes + codes, quantized.scales + blocks, quantized.sums + 2 * blocks)
    }

    /// Computes the 16-bit integers of one of the first `PVIT_GEMV_TOKENS` rows.
    package func quantizeWide(row: Int, _ kernels: pvit_kernels) {
        precondition(row < Int(PVIT_GEMV_TOKENS))
        wide.quantize(self.row(row), row: row, columns: columns, kernels)
    }
}
