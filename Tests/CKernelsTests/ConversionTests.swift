import CKernels
import TestSupport
import Testing

@Suite("Conversions and sums of halves")
struct ConversionTests {
    private typealias Widening = (UnsafePointer<UInt16>?, UnsafeMutablePointer<Float>?, Int) -> Void
    private typealias Narrowing = (UnsafePointer<Float>?, UnsafeMutablePointer<UInt16>?, Int) -> Void
    private typealias Combining = (UnsafePointer<UInt16>?, UnsafePointer<UInt16>?, UnsafeMutablePointer<UInt16>?, Int)
        -> Bool

    static let allHalves = (0...UInt16.max).map { $0 }

    private func widen(_ halves: [UInt16], _ function: Widening) -> [Float] {
        let result = GuardedBuffer<Float>(repeating: 0, count: halves.count)
        let source = GuardedBuffer(halves)
        function(source.pointer, result.pointer, halves.count)
        return result.elements
    }

    private func narrow(_ floats: [Float], _ function: Narrowing) -> [UInt16] {
        let result = GuardedBuffer<UInt16>(repeating: 0, count: floats.count)
        let source = GuardedBuffer(floats)
        function(source.pointer, result.pointer, floats.count)
        return result.elements
    }

    /// All halves as floats, the midpoints between neighbours, and the floats next to both.
    private static func critical(_ value: (UInt16) -> Float) -> [Float] {
        var floats: [Float] = [
            .infinity, -.infinity, .nan, .greatestFiniteMagnitude, 65519.996, 65520, Float.leastNonzeroMagnitude,
        ]
        for half in UInt16(0)..<0x7FFF {
            let a = value(half)
            let b = value(half + 1)
            guard a.isFinite else { continue }
            let middle = b.isFinite ? a + (b - a) / 2 : a
            for x in [a, middle] { floats += [x, -x, x.nextUp, x.nextDown, -x.nextUp, -x.nextDown] }
        }
        return floats
    }

    @Test("all 65536 binary16 numbers widen exactly", arguments: InstructionSet.all)
    func widenBinary16(set: InstructionSet) {
        let floats = widen(Self.allHalves, set.kernels.f16_to_f32)
        let expected = Self.allHalves.map { Float(Float16(bitPattern: $0)) }
        #expect(firstDifference(floats, expected) == nil)
    }

    @Test("all 65536 bfloat16 numbers widen exactly", arguments: InstructionSet.all)
    func widenBrain(set: InstructionSet) {
        let floats = widen(Self.allHalves, set.kernels.bf16_to_f32)
        let expected = Self.allHalves.map { half in
            // A bfloat16 is a sign, eight bits of exponent and seven of fraction.
            let exponent = Int(half >> 7 & 0xFF)
            let fraction = Double(half & 0x7F) / 128
            let sign: FloatingPointSign = half & 0x8000 == 0 ? .plus : .minus
            if exponent == 255 { return fraction == 0 ? Float(sign: sign, exponent: 0, significand: .infinity) : .nan }
            let magnitude =
                exponent == 0
                ? fraction * 0x1p-126 : (1 + fraction) * Double(sign: .plus, exponent: exponent - 127, significand: 1)
            return Float(sign: sign, exponent: 0, significand: Float(magnitude))
        }
        #expect(firstDifference(floats, expected) == nil)
    }

    @Test("floats round to the nearest binary16, to even; NaN stays NaN", arguments: InstructionSet.all)
    func narrowBinary16(set: InstructionSet) {
        let floats = Self.critical { Float(Float16(bitPattern: $0)) }
        for (half, x) in zip(narrow(floats, set.kernels.f32_to_f16), floats) {
            let expected = Float16(x)
            if x.isNaN ? !Float16(bitPattern: half).isNaN : half != expected.bitPattern {
                Issue.record("\(x) became \(half), not \(expected.bitPattern)")
            }
        }
    }

    @Test("floats round to the nearest bfloat16, to even; NaN stays NaN", arguments: InstructionSet.all)
    func narrowBrain(set: InstructionSet) {
        func value(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }
        let floats = Self.critical(value) + [Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF)]
        for (half, x) in zip(narrow(floats, set.kernels.f32_to_bf16), floats) {
            if x.isNaN {
                #expect(value(half).isNaN)
                continue
            }
            // The nearer of the two neighbours, computed in Double, or the even one. After the largest number comes
            // infinity, at the value that the next number would have.
            let below = UInt16(truncatingIfNeeded: x.bitPattern >> 16)
            let distance = abs(Double(x) - Double(value(below)))
            let above = value(below + 1).isFinite ? abs(Double(value(below + 1))) : 0x1p128
            let expected =
                if x.isInfinite || distance == 0 {
                    below
                } else if distance * 2 == above - abs(Double(value(below))) {
                    below + below % 2
                } else {
                    distance * 2 < above - abs(Double(value(below))) ? below : below + 1
                }
            if half != expected { Issue.record("\(x) became \(half), not \(expected)") }
        }
    }

    @Test("results end at the given length", arguments: InstructionSet.all)
    func lengths(set: InstructionSet) {
        var random = RepeatableRandom(seed: 1)
        for count in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100] {
            let floats = random.wildFloats(count)
            #expect(narrow(floats, set.kernels.f32_to_f16) == floats.map { Float16($0).bitPattern })
            let halves = floats.map { Float16($0).bitPattern }
            #expect(widen(halves, set.kernels.f16_to_f32) == halves.map { Float(Float16(bitPattern: $0)) })
            let short = widen(halves, set.kernels.bf16_to_f32)
            #expect(firstDifference(short, halves.map { Float(bitPattern: UInt32($0) << 16) }) == nil)
            #expect(narrow(short, set.kernels.f32_to_bf16) == halves)
            for place in 0..<count {
                var one = [UInt16](repeating: 0x3C00, count: count)
                _ = combine(one, one, set.kernels.add_f16, inPlace: false)
                _ = combine(one, one, set.kernels.subtract_bf16, inPlace: true, infinity: 0x7F80)
                one[place] = 0xFBFF
                _ = combine(one, one, set.kernels.add_f16, inPlace: true)
                one[place] = 0x7F80
                _ = combine(one, one, set.kernels.add_bf16, inPlace: false, infinity: 0x7F80)
            }
            let sums = combine(halves, halves.reversed(), set.kernels.add_f16, inPlace: false)
            #expect(
                sums
                    == zip(halves, halves.reversed()).map {
                        (Float16(bitPattern: $0) + Float16(bitPattern: $1)).bitPattern
                    })
        }
    }

    /// - Parameter infinity: The bit pattern of infinity in the format.
    private func combine(
        _ a: [UInt16], _ b: [UInt16], _ function: Combining, inPlace: Bool, infinity: UInt16 = 0x7C00
    ) -> [UInt16] {
        let left = GuardedBuffer(a)
        let right = GuardedBuffer(b)
        let result = inPlace ? left : GuardedBuffer<UInt16>(repeating: 0, count: a.count)
        let isFinite = function(left.pointer, right.pointer, result.pointer, a.count)
        #expect(isFinite == result.elements.allSatisfy { $0 & 0x7FFF < infinity })
        return result.elements
    }

    @Test(
        "sums and differences of binary16 are numpy's", .needsPython,
        arguments: InstructionSet.all)
    func combineBinary16(set: InstructionSet) throws {
        let (a, b, expected) = try Self.numpySums.get()
        for inPlace in [false, true] {
            let actual =
                combine(a, b, set.kernels.add_f16, inPlace: inPlace)
                + combine(a, b, set.kernels.subtract_f16, inPlace: inPlace)
            try #require(actual.count == expected.count)
            guard actual != expected else { continue }
            for index in actual.indices where actual[index] != expected[index] {
                guard Float16(bitPattern: actual[index]).isNaN, Float16(bitPattern: expected[index]).isNaN else {
                    Issue.record("\(a[index % a.count]) and \(b[index % a.count]) gave \(actual[index])")
                    break
                }
            }
        }
    }

    /// Pairs of binary16 numbers, and numpy's sums and then differences of them.
    private static let numpySums = Result {
        var random = RepeatableRandom(seed: 2)
        // Each number is paired with several others, some of its own size, where rounding is most delicate.
        let a = (0..<6).flatMap { _ in allHalves }
        let b = a.map { half in
            Bool.random(using: &random)
                ? UInt16.random(in: 0...UInt16.max, using: &random)
                : half ^ UInt16.random(in: 0..<4096, using: &random) ^ (Bool.random(using: &random) ? 0x8000 : 0)
        }
        let output = try PythonReference.run(
            """
            import sys, numpy
            a, b = numpy.fromfile(sys.argv[1], "<f2").reshape(2, -1)
            numpy.seterr(all="ignore")
            sys.stdout.buffer.write((a + b).astype("<f2").tobytes() + (a - b).astype("<f2").tobytes())
            """, input: bytes(of: a + b))
        return (a, b, elements(UInt16.self, of: output))
    }

    @Test("sums and differences of bfloat16 are the rounded float sums", arguments: InstructionSet.all)
    func combineBrain(set: InstructionSet) {
        var random = RepeatableRandom(seed: 3)
        let a = Self.allHalves
        let b = a.map { $0 ^ UInt16.random(in: 0..<2048, using: &random) ^ (Bool.random(using: &random) ? 0x8000 : 0) }
        func value(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }
        let sums = combine(a, b, set.kernels.add_bf16, inPlace: false, infinity: 0x7F80)
        let differences = combine(a, b, set.kernels.subtract_bf16, inPlace: true, infinity: 0x7F80)
        let expected = narrow(zip(a, b).map { value($0) + value($1) }, InstructionSet.scalar.kernels.f32_to_bf16)
        let expectedDifferences = narrow(
            zip(a, b).map { value($0) - value($1) }, InstructionSet.scalar.kernels.f32_to_bf16)
        #expect(firstDifference(sums.map(value), expected.map(value)) == nil)
        #expect(firstDifference(differences.map(value), expectedDifferences.map(value)) == nil)
    }
}
