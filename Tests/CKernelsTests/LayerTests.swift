import CKernels
import Foundation
import TestSupport
import Testing

@Suite("Norm, rotary embedding, SwiGLU and float products")
struct LayerTests {
    static let lengths = [1, 2, 8, 15, 16, 17, 32, 96, 100, 576, 4096]

    private func normalise(_ set: InstructionSet, _ x: [Float], _ weight: [Float], inPlace: Bool) -> [Float] {
        let input = GuardedBuffer(x)
        let result = inPlace ? input : GuardedBuffer<Float>(repeating: 0, count: x.count)
        let weights = GuardedBuffer(weight)
        set.kernels.rms_norm(input.pointer, weights.pointer, x.count, 1e-5, result.pointer)
        return result.elements
    }

    @Test("RMSNorm agrees with the formula, with the same bits on every instruction set", arguments: InstructionSet.all)
    func norm(set: InstructionSet) {
        var random = RepeatableRandom(seed: 1)
        for count in Self.lengths {
            let x = random.wildFloats(count)
            let weight = random.floats(count)
            let result = normalise(set, x, weight, inPlace: false)
            let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
            let exact = zip(x, weight).map { Double($0) * Double($1) / (mean + Double(Float(1e-5))).squareRoot() }
            #expect(largestError(result, exact: exact, magnitude: exact.map(abs)) < 4e-7)
            #expect(firstDifference(result, normalise(.scalar, x, weight, inPlace: true)) == nil)
        }
    }

    @Test("rotary embedding is a rotation, with the same bits on every instruction set", arguments: InstructionSet.all)
    func rotate(set: InstructionSet) {
        var random = RepeatableRandom(seed: 2)
        for width in [2, 6, 32, 64, 80, 128] {
            let x = random.floats(3 * width)
            let angles = random.floats(width / 2, in: -3...3)
            func rotated(_ set: InstructionSet) -> [Float] {
                let buffer = GuardedBuffer(x)
                let cosines = GuardedBuffer(angles.map { cos($0) })
                let sines = GuardedBuffer(angles.map { sin($0) })
                set.kernels.rope(
                    buffer.pointer, 3, width, cosines.pointer, sines.pointer)
                return buffer.elements
            }
            let result = rotated(set)
            for head in 0..<3 {
                for index in 0..<width / 2 {
                    let first = head * width + index
                    let angle = Double(angles[index])
                    let a = Double(x[first])
                    let b = Double(x[first + width / 2])
                    #expect(abs(Double(result[first]) - (a * cos(angle) - b * sin(angle))) < 3e-7)
                    #expect(abs(Double(result[first + width / 2]) - (b * cos(angle) + a * sin(angle))) < 3e-7)
                }
            }
            #expect(firstDifference(result, rotated(.scalar)) == nil)
        }
    }

    private func gated(_ set: InstructionSet, _ gate: [Float], _ up: [Float], inPlace: Bool = false) -> [Float] {
        let input = GuardedBuffer(gate)
        let result = inPlace ? input : GuardedBuffer<Float>(repeating: 0, count: gate.count)
        let factors = GuardedBuffer(up)
        set.kernels.swiglu(input.pointer, factors.pointer, gate.count, result.pointer)
        return result.elements
    }

    @Test(
        "SwiGLU: the formula to 4 units in the last place, and the same bits everywhere", arguments: InstructionSet.all)
    func swiglu(set: InstructionSet) {
        var random = RepeatableRandom(seed: 3)
        var gate = random.floats(20_000, in: -30...30) + random.wildFloats(20_000)
        gate += (-870...870).map { Float($0) / 10 }
        let up = [Float](repeating: 1, count: gate.count)
        let result = gated(set, gate, up)
        for (index, value) in gate.enumerated() {
            let exact = Double(value) / (1 + exp(-Double(value)))
            let tolerance = max(Double(Float(exact).ulp) * 4, 3e-37)
            if abs(Double(result[index]) - exact) > tolerance {
                Issue.record("\(value) gave \(result[index]), not \(exact)")
            }
        }
        #expect(firstDifference(result, gated(.scalar, gate, up)) == nil)
        for count in [1, 15, 16, 17, 33] {
            let up = random.floats(count)
            let part = Array(gate[..<count])
            let both = gated(.scalar, part, up)
            #expect(firstDifference(gated(set, part, up, inPlace: true), both) == nil)
        }
    }

    @Test("SwiGLU does not hide infinities and NaN", arguments: InstructionSet.all)
    func swigluExtremes(set: InstructionSet) {
        let result = gated(set, [.infinity, -200, .nan, 200, -.infinity], [1, 1, 1, 1, 1])
        #expect(result[0] == .infinity)
        #expect(result[1] == 0)
        #expect(result[2].isNaN)
        #expect(result[3] == 200)
        #expect(result[4].isNaN)
    }

    @Test("x += y", arguments: InstructionSet.all)
    func add(set: InstructionSet) {
        var random = RepeatableRandom(seed: 4)
        for count in Self.lengths {
            let x = random.wildFloats(count)
            let y = random.wildFloats(count)
            let sum = GuardedBuffer(x)
            let addend = GuardedBuffer(y)
            set.kernels.add(sum.pointer, addend.pointer, count)
            #expect(firstDifference(sum.elements, zip(x, y).map(+)) == nil)
        }
    }

    @Test(
        "in float products of many tokens, a token's result does not depend on the others", .slow,
        arguments: InstructionSet.all)
    func manyTokens(set: InstructionSet) {
        var random = RepeatableRandom(seed: 6)
        // Around the sizes of register tiles, of blocks of rows, and of chunks of columns.
        for (rows, columns) in [(1, 1), (4, 16), (5, 100), (3, 1025), (33, 48), (70, 2064), (9, 4096)] {
            for tokens in [1, 2, 3, 5, 6, 7, 13] {
                let stride = columns + 3
                let x = GuardedBuffer(random.floats(tokens * stride))
                let wide = GuardedBuffer(random.floats(rows * columns))
                let halves = GuardedBuffer(random.floats(rows * columns).map { Float16($0).bitPattern })
                let brains = GuardedBuffer(random.floats(rows * columns).map { UInt16($0.bitPattern >> 16) })
                let together = (0..<3).map { _ in GuardedBuffer<Float>(repeating: 0, count: tokens * rows) }
                set.kernels.gemm_f32(
                    wide.pointer, rows, columns, x.pointer, stride, tokens, together[0].pointer, rows)
                set.kernels.gemm_f16(
                    halves.pointer, rows, columns, x.pointer, stride, tokens, together[1].pointer, rows)
                set.kernels.gemm_bf16(
                    brains.pointer, rows, columns, x.pointer, stride, tokens, together[2].pointer, rows)
                for token in 0..<tokens {
                    let input = x.pointer + token * stride
                    let alone = (0..<3).map { _ in GuardedBuffer<Float>(repeating: 0, count: rows) }
                    set.kernels.gemv_f32(wide.pointer, rows, columns, input, alone[0].pointer)
                    set.kernels.gemv_f16(halves.pointer, rows, columns, input, alone[1].pointer)
                    set.kernels.gemv_bf16(brains.pointer, rows, columns, input, alone[2].pointer)
                    for (all, one) in zip(together, alone) {
                        let part = Array(all.elements[token * rows..<(token + 1) * rows])
                        #expect(firstDifference(part, one.elements) == nil, "\(rows) x \(columns), \(tokens) tokens")
                    }
                }
            }
        }
    }

    @Test(
        "float products have float accuracy and the same bits on every instruction set", arguments: InstructionSet.all)
    func products(set: InstructionSet) {
        var random = RepeatableRandom(seed: 5)
        for columns in Self.lengths {
            for rows in [1, 3, 4, 9] {
                let x = random.floats(columns)
                let halves = random.floats(rows * columns).map { Float16($0).bitPattern }
                let brains = random.floats(rows * columns).map { UInt16($0.bitPattern >> 16) }
                let wide = random.floats(rows * columns)
                func multiply(_ set: InstructionSet) -> [[Float]] {
                    let input = GuardedBuffer(x)
                    let f32 = GuardedBuffer(wide)
                    let f16 = GuardedBuffer(halves)
                    let bf16 = GuardedBuffer(brains)
                    let y = (0..<3).map { _ in GuardedBuffer<Float>(repeating: 0, count: rows) }
                    set.kernels.gemv_f32(f32.pointer, rows, columns, input.pointer, y[0].pointer)
                    set.kernels.gemv_f16(f16.pointer, rows, columns, input.pointer, y[1].pointer)
                    set.kernels.gemv_bf16(bf16.pointer, rows, columns, input.pointer, y[2].pointer)
                    return y.map(\.elements)
                }
                let weights = [
                    wide, halves.map { Float(Float16(bitPattern: $0)) },
                    brains.map { Float(bitPattern: UInt32($0) << 16) },
                ]
                for (result, (same, w)) in zip(multiply(set), zip(multiply(.scalar), weights)) {
                    let terms = (0..<rows).map { row in
                        (0..<columns).map { Double(w[row * columns + $0]) * Double(x[$0]) }
                    }
                    let error = largestError(
                        result, exact: terms.map { $0.reduce(0, +) },
                        magnitude: terms.map { $0.reduce(0) { $0 + abs($1) } })
                    #expect(error < 1e-6, "\(rows) x \(columns)")
                    #expect(firstDifference(result, same) == nil)
                }
            }
        }
    }

    @Test("the benchmark loops' results depend on all of their work", arguments: InstructionSet.all)
    func probes(set: InstructionSet) {
        let bytes = GuardedBuffer<UInt8>(repeating: 1, count: 64 * 5)
        let before = set.kernels.read_probe(bytes.pointer, bytes.count)
        bytes.pointer[64 * 5 - 1] = 2
        #expect(set.kernels.read_probe(bytes.pointer, bytes.count) != before)
        var checksum: UInt32 = 1
        let once = set.kernels.dot_probe(10, &checksum)
        #expect(once > 0 && set.kernels.dot_probe(20, &checksum) == 2 * once)
    }
}
