import CKernels
import Foundation
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

    /// Rows of a cache that hold `numbers`, and the numbers they stand for.
    private struct Cache {
        let bytes: GuardedBuffer<UInt8>
        let values: [Double]

        init(_ numbers: [Float], type: pvit_kv_type, width: Int) {
            let rowBytes = pvit_kv_row_bytes(type, width)
            let rows = numbers.count / width
            bytes = GuardedBuffer(repeating: 0, count: rows * rowBytes)
            var values: [Double] = []
            for row in 0..<rows {
                let start = bytes.pointer + row * rowBytes
                let source = GuardedBuffer(Array(numbers[row * width..<(row + 1) * width]))
                InstructionSet.scalar.kernels.kv_store(source.pointer, width, type, start)
                let raw = UnsafeRawPointer(start)
                for column in 0..<width {
                    switch type {
                    case PVIT_KV_F32:
                        values.append(Double(raw.loadUnaligned(fromByteOffset: column * 4, as: Float.self)))
                    case PVIT_KV_F16:
                        values.append(Double(raw.loadUnaligned(fromByteOffset: column * 2, as: Float16.self)))
                    default:
                        let scale = raw.loadUnaligned(fromByteOffset: width + column / 32 * 2, as: Float16.self)
                        values.append(Double(scale) * Double(raw.load(fromByteOffset: column, as: Int8.self)))
                    }
                }
            }
            self.values = values
        }
    }

    @Test(
        "stored rows: within half a step of the numbers, and the same bytes everywhere", arguments: types,
        InstructionSet.all)
    func store(type: pvit_kv_type, set: InstructionSet) {
        var random = RandomNumbers(seed: 1)
        for width in type == PVIT_KV_Q8 ? [32, 64, 96, 128] : [1, 20, 64, 80, 128] {
            for scale: Float in [1, 1e-4, 1e-9, 60_000, 0] {
                let x = random.floats(width).map { $0 * scale }
                let cache = Cache(x, type: type, width: width)
                let row = GuardedBuffer<UInt8>(repeating: 7, count: pvit_kv_row_bytes(type, width))
                let source = GuardedBuffer(x)
                set.kernels.kv_store(source.pointer, width, type, row.pointer)
                #expect(row.elements == cache.bytes.elements)
                guard type == PVIT_KV_Q8, scale != 1e-9 else { continue }
                for block in 0..<width / 32 {
                    let part = block * 32..<block * 32 + 32
                    let maximum = part.map { abs(Double(x[$0])) }.max() ?? 0
                    // Half a step of 1/127, and what is clipped when binary16 rounds the step down (by 2^-25 at most).
                    let tolerance = maximum / 254 * 1.001 + 127 * 0x1p-25 + maximum * 0x1p-11
                    for index in part { #expect(abs(Double(x[index]) - cache.values[index]) <= tolerance) }
                }
            }
        }
    }

    private struct Case {
        let type: pvit_kv_type
        let width: Int
        let positions: Int
        let queries: Int
        let query: [Float]
        let keys: Cache
        let values: Cache
        let scale: Float

        init(
            type: pvit_kv_type, width: Int, positions: Int, queries: Int, sharpness: Float, random: inout RandomNumbers
        ) {
            self.type = type
            self.width = width
            self.positions = positions
            self.queries = queries
            query = random.floats(queries * (width + 5)).map { $0 * sharpness }
            keys = Cache(random.floats(positions * width), type: type, width: width)
            values = Cache(random.floats(positions * width), type: type, width: width)
            scale = 1 / Float(width).squareRoot()
        }

        func attend(_ set: InstructionSet) -> [Float] {
            let scores = GuardedBuffer<Float>(repeating: .nan, count: queries * positions)
            let result = GuardedBuffer<Float>(repeating: 42, count: queries * (width + 3) - 3)
            let input = GuardedBuffer(Array(query.dropLast(5)))
            set.kernels.attend(
                input.pointer, queries, width + 5, keys.bytes.pointer, values.bytes.pointer, type, width, positions,
                scale,
                scores.pointer, result.pointer, width + 3)
            return result.elements
        }

        var exact: [Double] {
            var result = [Double](repeating: 0, count: queries * width)
            for q in 0..<queries {
                var scores = [Double](repeating: 0, count: positions)
                for p in 0..<positions {
                    for column in 0..<width {
                        scores[p] += Double(query[q * (width + 5) + column]) * keys.values[p * width + column]
                    }
                    scores[p] *= Double(scale)
                }
                let maximum = scores.max() ?? 0
                let weights = scores.map { exp($0 - maximum) }
                let sum = weights.reduce(0, +)
                for p in 0..<positions {
                    for column in 0..<width {
                        result[q * width + column] += weights[p] / sum * values.values[p * width + column]
                    }
                }
            }
            return result
        }
    }

    @Test("softmax attention: the formula to float accuracy, and the same bits everywhere", arguments: types)
    func attend(type: pvit_kv_type) {
        var random = RandomNumbers(seed: 2)
        for width in type == PVIT_KV_Q8 ? [32, 64, 96, 128, 256] : [1, 20, 64, 80, 128, 256] {
            for (positions, queries) in [(1, 4), (2, 3), (5, 7), (16, 1), (63, 2), (64, 8), (65, 1), (200, 3)] {
                let sharpness: Float = positions == 63 ? 300 : 3
                let problem = Case(
                    type: type, width: width, positions: positions, queries: queries, sharpness: sharpness,
                    random: &random)
                let result = problem.attend(.scalar)
                let exact = problem.exact
                for q in 0..<queries {
                    for column in 0..<width {
                        let error = abs(Double(result[q * (width + 3) + column]) - exact[q * width + column])
                        if error > Double(sharpness) * 2e-6 {
                            Issue.record("\(width), \(positions), \(queries): error \(error)")
                        }
                    }
                    if q > 0 { #expect(result[q * (width + 3) - 1] == 42, "wrote between queries") }
                }
                for set in InstructionSet.vectorised {
                    let difference = firstDifference(problem.attend(set), result)
                    #expect(difference == nil, "\(set.testDescription): \(width), \(positions), \(queries)")
                }
            }
        }
    }

    @Test("more queries than go together at once", arguments: InstructionSet.all)
    func manyQueries(set: InstructionSet) {
        var random = RandomNumbers(seed: 3)
        let problem = Case(
            type: PVIT_KV_F16, width: 64, positions: 70, queries: 71, sharpness: 3, random: &random)
        #expect(firstDifference(problem.attend(set), problem.attend(.scalar)) == nil)
    }

    @Test("no positions give zeros", arguments: InstructionSet.all)
    func nothing(set: InstructionSet) {
        var random = RandomNumbers(seed: 4)
        let problem = Case(type: PVIT_KV_F32, width: 20, positions: 0, queries: 1, sharpness: 1, random: &random)
        #expect(problem.attend(set) == [Float](repeating: 0, count: 20))
    }
}
