import CKernels
import Foundation
import TestSupport
import Testing

extension pvit_kv_type: @retroactive CustomTestStringConvertible {
    /// The name of the type.
    public var testDescription: String {
        switch self {
        case PVIT_KV_F32: "f32"
        case PVIT_KV_F16: "f16"
        default: "q8"
        }
    }
}

@Suite("Key/value cache and attention")
struct AttentionTests {
    static let types = [PVIT_KV_F32, PVIT_KV_F16, PVIT_KV_Q8]

    /// The bytes of keys or values that store `numbers`, `[positions, width]`, and the numbers that they represent.
    private struct Cache {
        enum Part { case keys, values }

        let bytes: GuardedBuffer<UInt8>
        let values: [Double]

        init(_ part: Part, _ numbers: [Float], type: pvit_kv_type, width: Int, set: InstructionSet = .scalar) {
            let rowBytes = pvit_kv_row_bytes(type, width)
            let positions = numbers.count / width
            let group = part == .keys ? Int(PVIT_KEY_GROUP) : type == PVIT_KV_Q8 ? Int(PVIT_VALUE_GROUP) : 1
            let rows = (positions + group - 1) / group * group
            // Bytes that were never written must not matter: here they are NaN.
            bytes = GuardedBuffer(repeating: 0xFF, count: rows * rowBytes)
            var values: [Double] = []
            for position in 0..<positions {
                let source = GuardedBuffer(Array(numbers[position * width..<(position + 1) * width]))
                switch part {
                case .keys: set.kernels.store_key(source.pointer, width, type, bytes.pointer, position)
                case .values: set.kernels.store_value(source.pointer, width, type, bytes.pointer, position)
                }
                let lane = position % group
                let raw = UnsafeRawPointer(bytes.pointer + (position - lane) * rowBytes)
                for column in 0..<width {
                    let place = column * group + lane
                    switch type {
                    case PVIT_KV_F32: values.append(Double(raw.load(fromByteOffset: place * 4, as: Float.self)))
                    case PVIT_KV_F16:
                        values.append(Double(raw.loadUnaligned(fromByteOffset: place * 2, as: Float16.self)))
                    default:
                        // Four columns of a key, or four positions of a column of values, are adjacent.
                        let code =
                            part == .keys
                            ? (column / 4 * group + lane) * 4 + column % 4 : (lane / 4 * width + column) * 4 + lane % 4
                        let scale = raw.loadUnaligned(
                            fromByteOffset: width * group + (column / 32 * group + lane) * 2, as: Float16.self)
                        let number = Int(raw.load(fromByteOffset: code, as: UInt8.self)) - 128
                        values.append(Double(scale) * Double(number))
                    }
                }
            }
            self.values = values
        }
    }

    @Test(
        "stored numbers: within half a step, and the same bytes everywhere", arguments: types, InstructionSet.all)
    func store(type: pvit_kv_type, set: InstructionSet) {
        var random = RepeatableRandom(seed: 1)
        for width in type == PVIT_KV_Q8 ? [32, 64, 96, 128] : [1, 20, 64, 80, 128] {
            for scale: Float in [1, 1e-4, 1e-9, 60_000, 0] {
                let x = random.floats(width * 18).map { $0 * scale }
                let keys = Cache(.keys, x, type: type, width: width)
                let values = Cache(.values, x, type: type, width: width)
                #expect(keys.values == values.values)
                #expect(Cache(.keys, x, type: type, width: width, set: set).bytes.elements == keys.bytes.elements)
                #expect(Cache(.values, x, type: type, width: width, set: set).bytes.elements == values.bytes.elements)
                guard type == PVIT_KV_Q8, scale != 1e-9 else { continue }
                for block in 0..<x.count / 32 {
                    let part = block * 32..<block * 32 + 32
                    let maximum = part.map { abs(Double(x[$0])) }.max() ?? 0
                    // Half a step of 1/127, plus the clipping if binary16 rounds the step down (at most 2^-25).
                    let tolerance = maximum / 254 * 1.001 + 127 * 0x1p-25 + maximum * 0x1p-11
                    for index in part { #expect(abs(Double(x[index]) - values.values[index]) <= tolerance) }
                }
            }
        }
    }

    /// Some tokens whose queries share a head. The first token attends to `positions` positions.
    private struct Case {
        let type: pvit_kv_type
        let width: Int
        let positions: Int
        let tokens: Int
        let heads: Int
        let query: [Float]
        let keys: Cache
        let values: Cache
        let scale: Float
        private var stride: Int { heads * width + 5 }

        init(
            type: pvit_kv_type, width: Int, positions: Int, tokens: Int, heads: Int, sharpness: Float,
            random: inout RepeatableRandom
        ) {
            self.type = type
            self.width = width
            self.positions = positions
            self.tokens = tokens
            self.heads = heads
            query = random.floats(tokens * (heads * width + 5)).map { $0 * sharpness }
            let rows = positions + tokens - 1
            keys = Cache(.keys, random.floats(rows * width), type: type, width: width)
            values = Cache(.values, random.floats(rows * width), type: type, width: width)
            scale = 1 / Float(width).squareRoot()
        }

        /// The results of `range` of the tokens: `[tokens, heads * width]`.
        func attend(_ set: InstructionSet, _ range: Range<Int>? = nil) -> [[Float]] {
            let range = range ?? 0..<tokens
            let scratch = GuardedBuffer<Float>(
                repeating: .nan, count: pvit_attention_scratch(range.count * heads, width))
            let result = GuardedBuffer<Float>(repeating: 42, count: range.count * stride - 5)
            let input = GuardedBuffer(Array(query[range.lowerBound * stride..<range.upperBound * stride - 5]))
            set.kernels.attend(
                input.pointer, range.count, heads, stride, keys.bytes.pointer, values.bytes.pointer, type, width,
                positions + range.lowerBound, scale, scratch.pointer, result.pointer)
            let elements = result.elements
            return range.indices.map { index in
                let start = (index - range.lowerBound) * stride
                if start > 0 { #expect(elements[start - 5..<start].allSatisfy { $0 == 42 }, "between tokens") }
                return Array(elements[start..<start + heads * width])
            }
        }

        var exact: [[Double]] {
            (0..<tokens).map { token in
                (0..<heads).flatMap { head in
                    let start = token * stride + head * width
                    let query = self.query[start..<start + width].map(Double.init)
                    let scores = (0..<positions + token).map { p in
                        var product = 0.0
                        for column in 0..<width { product += query[column] * keys.values[p * width + column] }
                        return Double(scale) * product
                    }
                    let maximum = scores.max() ?? 0
                    let weights = scores.map { exp($0 - maximum) }
                    let sum = weights.reduce(0, +)
                    var result = [Double](repeating: 0, count: width)
                    for (p, weight) in weights.enumerated() {
                        for column in 0..<width { result[column] += weight / sum * values.values[p * width + column] }
                    }
                    return result
                }
            }
        }
    }

    private static let shapes = [
        (1, 1, 4), (2, 1, 3), (5, 3, 7), (16, 1, 1), (63, 4, 2), (64, 2, 8), (65, 1, 1), (200, 1, 3), (120, 30, 1),
    ]

    @Test(
        "softmax attention agrees with the formula to float accuracy, with the same bits on every instruction set",
        arguments: types)
    func attend(type: pvit_kv_type) {
        var random = RepeatableRandom(seed: 2)
        for width in type == PVIT_KV_Q8 ? [32, 64, 96, 128] : [1, 20, 64, 80, 128] {
            for (positions, tokens, heads) in Self.shapes {
                let sharpness: Float = positions == 63 ? 300 : 3
                let problem = Case(
                    type: type, width: width, positions: positions, tokens: tokens, heads: heads,
                    sharpness: sharpness, random: &random)
                let result = problem.attend(.scalar)
                for (ours, exact) in zip(result, problem.exact) {
                    let error = zip(ours, exact).map { abs(Double($0) - $1) }.max() ?? 0
                    // With 8-bit keys and values, queries and weights are rounded to 16 bits.
                    let tolerance = Double(sharpness) * (type == PVIT_KV_Q8 ? 2e-5 : 2e-6)
                    #expect(error <= tolerance, "\(width), \(positions), \(tokens), \(heads)")
                }
                for set in InstructionSet.vectorised {
                    #expect(
                        problem.attend(set) == result,
                        "\(set.testDescription): \(width), \(positions), \(tokens), \(heads)")
                }
            }
        }
    }

    @Test("a token's result does not depend on other tokens", arguments: InstructionSet.all)
    func alone(set: InstructionSet) {
        var random = RepeatableRandom(seed: 3)
        for type in Self.types {
            let problem = Case(
                type: type, width: 64, positions: 50, tokens: 33, heads: 3, sharpness: 3, random: &random)
            let together = problem.attend(set)
            for token in 0..<33 { #expect(problem.attend(set, token..<token + 1) == [together[token]]) }
            #expect(problem.attend(set, 7..<30) == Array(together[7..<30]))
        }
    }

    @Test("equal scores give the mean of the values", arguments: InstructionSet.all)
    func mean(set: InstructionSet) {
        var random = RepeatableRandom(seed: 4)
        let problem = Case(
            type: PVIT_KV_F32, width: 16, positions: 130, tokens: 1, heads: 1, sharpness: 0, random: &random)
        for column in 0..<16 {
            let mean = (0..<130).reduce(0) { $0 + problem.values.values[$1 * 16 + column] } / 130
            #expect(abs(Double(problem.attend(set)[0][column]) - mean) < 1e-6)
        }
    }
}
