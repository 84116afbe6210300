import CKernels
import TestSupport
import Testing

@Suite("Activations as integers")
struct ActivationTests {
    /// Zeros, tiny numbers, huge numbers, numbers that end in a half, and numbers of all sizes.
    private func numbers(_ columns: Int, maximum: Float) -> [Float] {
        var random = RepeatableRandom(seed: 7)
        var x = random.wildFloats(columns)
        for index in 0..<32 { x[index] = 0 }
        for index in 32..<64 { x[index] = 1e-38 }
        for index in 64..<96 { x[index] = Float(index - 80) * (3e37 / 16) }
        for index in 96..<128 { x[index] = index == 96 ? maximum : Float(index - 100) + 0.5 }
        return x
    }

    /// - Parameter multiple: What the codes of all blocks are multiples of.
    private func check<Code: FixedWidthInteger & BitwiseCopyable>(
        _ x: [Float], maximumCode: Float, multiple: Float = 1, sumBlock: Int,
        _ quantize: (
            UnsafePointer<Float>, UnsafeMutablePointer<Code>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Int32>
        ) -> Void
    ) {
        let input = GuardedBuffer(x)
        let codes = GuardedBuffer<Code>(repeating: 99, count: x.count)
        let scales = GuardedBuffer<Float>(repeating: 99, count: x.count / 32)
        let sums = GuardedBuffer<Int32>(repeating: 99, count: x.count / sumBlock)
        quantize(input.pointer, codes.pointer, scales.pointer, sums.pointer)
        for block in 0..<x.count / 32 {
            let part = x[block * 32..<block * 32 + 32]
            let maximum = part.map(abs).max() ?? 0
            let negligible = maximum < 0x1p-100
            #expect(scales.pointer[block] == (negligible ? 0 : maximum / maximumCode / multiple))
            for (index, value) in zip(part.indices, part) {
                let code = negligible ? 0 : (value * (maximumCode / maximum)).rounded(.toNearestOrEven)
                #expect(Float(codes.pointer[index]) == code * multiple)
            }
        }
        for block in 0..<x.count / sumBlock {
            let sum = (block * sumBlock..<(block + 1) * sumBlock).reduce(0) { $0 + Int32(codes.pointer[$1]) }
            #expect(sums.pointer[block] == sum)
        }
    }

    @Test(
        "8-bit codes are scaled by the absolute maximum of 32 columns and rounded to even",
        arguments: InstructionSet.all)
    func narrow(set: InstructionSet) {
        let x = numbers(32 * 9, maximum: 127)
        check(x, maximumCode: 127, sumBlock: 16) { (input, codes: UnsafeMutablePointer<Int8>, scales, sums) in
            set.kernels.quantize_activations(input, x.count, codes, scales, sums)
        }
    }

    @Test("16-bit codes are scaled and rounded in the same way, with finer steps", arguments: InstructionSet.all)
    func wide(set: InstructionSet) {
        let maximum = Float(PVIT_WIDE_MAXIMUM)
        let x = numbers(32 * 9, maximum: maximum)
        check(x, maximumCode: maximum, sumBlock: 32) { (input, codes: UnsafeMutablePointer<Int16>, scales, sums) in
            set.kernels.quantize_wide_activations(input, x.count, 0, codes, scales, sums)
        }
    }

    @Test(
        "16-bit codes of blocks up to the limit are multiples of 256, with steps of 8 bits",
        arguments: InstructionSet.all)
    func wideOfBytes(set: InstructionSet) {
        let x = numbers(32 * 9, maximum: 127)
        check(x, maximumCode: 127, multiple: 256, sumBlock: 32) {
            (input, codes: UnsafeMutablePointer<Int16>, scales, sums) in
            set.kernels.quantize_wide_activations(input, x.count, .infinity, codes, scales, sums)
        }
        // Block 3 has the magnitudes 0.5 to 127 and is the first one above a limit of less.
        let codes = GuardedBuffer<Int16>(repeating: 99, count: 32)
        let scales = GuardedBuffer<Float>(repeating: 99, count: 1)
        let sums = GuardedBuffer<Int32>(repeating: 99, count: 1)
        let block = Array(x[96..<128])
        for (limit, scale) in [(Float(127), Float(1) / 256), (Float(127).nextDown, 127 / Float(PVIT_WIDE_MAXIMUM))] {
            set.kernels.quantize_wide_activations(block, 32, limit, codes.pointer, scales.pointer, sums.pointer)
            #expect(scales.pointer[0] == scale)
        }
    }

    @Test("8 bits are enough up to 3.5 times the root mean square", arguments: InstructionSet.all)
    func byteLimit(set: InstructionSet) {
        var random = RepeatableRandom(seed: 5)
        for columns in [32, 576, 11008] {
            let x = random.floats(columns, in: -3...9)
            let square = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(columns)
            #expect(set.kernels.byte_limit(x, columns) == InstructionSet.scalar.kernels.byte_limit(x, columns))
            #expect(abs(Double(set.kernels.byte_limit(x, columns)) / (3.5 * square.squareRoot()) - 1) < 1e-5)
        }
        #expect(set.kernels.byte_limit([Float](repeating: 0, count: 64), 64) == 0)
    }

    @Test("numbers that are not finite do not trap", arguments: InstructionSet.all)
    func notFinite(set: InstructionSet) {
        for value in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
            let x = GuardedBuffer((0..<64).map { $0 % 7 == 3 ? value : Float($0) })
            let codes = GuardedBuffer<Int8>(repeating: 0, count: 64)
            let wideCodes = GuardedBuffer<Int16>(repeating: 0, count: 64)
            let scales = GuardedBuffer<Float>(repeating: 0, count: 2)
            let sums = GuardedBuffer<Int32>(repeating: 0, count: 4)
            set.kernels.quantize_activations(x.pointer, 64, codes.pointer, scales.pointer, sums.pointer)
            #expect(codes.elements.reduce(0) { $0 + Int32($1) } == sums.elements.reduce(0, +))
            set.kernels.quantize_wide_activations(x.pointer, 64, 3, wideCodes.pointer, scales.pointer, sums.pointer)
            #expect(wideCodes.elements.reduce(0) { $0 + Int32($1) } == sums.elements[..<2].reduce(0, +))
        }
    }
}
