import Conversion
import Storage
import Tensors
import Testing

@Suite("Advice on types")
struct TypeAdviceTests {
    /// A matrix with rows of 64: q8 takes 1024 bytes more than q4 for every 32 rows.
    private func matrix(_ name: String, _ encoding: TensorEncoding, rows: Int, squaredError: Double? = nil) throws
        -> TypeAdvice.Matrix
    {
        TypeAdvice.Matrix(
            name: TensorName(name), encoding: encoding, shape: try #require(Shape([rows, 64])),
            statistics: squaredError.map {
                ErrorStatistics(squaredError: $0, maximumError: 1, squaredSum: 100, count: rows * 64)
            })
    }

    private func sensitivity(_ divergences: [String: Double]) throws -> Sensitivities {
        let object = divergences.reduce(into: JSONObject()) { $0[$1.key] = .number($1.value) }
        return try #require(
            Sensitivities(
                parsing: ["tokens": 100, "divergence": .object(object)],
                names: Set(divergences.keys.map { TensorName($0) })))
    }

    @Test("with sensitivity, matrices are ranked by divergence for each byte, and bits per weight add up")
    func divergence() throws {
        // 14,336 weights in 1152 + 2304 + 2176 + 4352 + 1152 = 11,136 bytes.
        let advice = TypeAdvice(
            on: [
                try matrix("big", .q4, rows: 64), try matrix("small", .q4, rows: 32),
                try matrix("q8 small", .q8, rows: 32), try matrix("q8 big", .q8, rows: 64),
                try matrix("not measured", .q4, rows: 32, squaredError: 9),
            ],
            sensitivity: try sensitivity(["big": 0.3, "small": 0.2, "q8 small": 0.05, "q8 big": 0.05]),
            byteCount: 11136, weightCount: 14336)
        #expect(advice.basis == .divergence)
        // 0.2 / 1024 is more than 0.3 / 2048.
        #expect(advice.upgrades.map(\.name) == ["small", "big"])
        #expect(advice.upgrades.map(\.byteCount) == [1024, 2048])
        #expect(advice.upgrades.map(\.value) == [0.2, 0.3])
        // (11,136 + 1024) × 8 / 14,336 and (11,136 + 3072) × 8 / 14,336
        #expect(zip(advice.upgrades, [6.785714, 7.928571]).allSatisfy { abs($0.bitsPerWeight - $1) < 1e-6 })
        // Equal divergence costs least where it saves most bytes.
        #expect(advice.downgrades.map(\.name) == ["q8 big", "q8 small"])
        #expect(zip(advice.downgrades, [5.071429, 4.5]).allSatisfy { abs($0.bitsPerWeight - $1) < 1e-6 })
    }

    @Test("without sensitivity, matrices in q4 are ranked by their share of the squared error for each byte")
    func squaredError() throws {
        let advice = TypeAdvice(
            on: [
                try matrix("big", .q4, rows: 64, squaredError: 3), try matrix("small", .q4, rows: 32, squaredError: 4),
                try matrix("q8", .q8, rows: 32, squaredError: 1), try matrix("unknown", .q4, rows: 32),
                try matrix("float", .plain(.f16), rows: 32),
            ], sensitivity: nil, byteCount: 10000, weightCount: 10000)
        #expect(advice.basis == .squaredError)
        #expect(advice.upgrades.map(\.name) == ["small", "big"])
        #expect(advice.upgrades.map(\.value) == [0.5, 0.375])
        #expect(advice.downgrades.isEmpty)
    }

    @Test("equal matrices are ranked by name")
    func ties() throws {
        let names = ["c", "a", "b"]
        let advice = TypeAdvice(
            on: try names.map { try matrix($0, .q4, rows: 32) },
            sensitivity: try sensitivity(["a": 0, "b": 0, "c": 0]), byteCount: 1, weightCount: 0)
        #expect(advice.upgrades.map(\.name) == ["a", "b", "c"])
    }

    @Test("numbers that cannot be divergences, and names of no tensor, are left out")
    func hostileSensitivity() throws {
        let text = """
            {"tokens": -3, "divergence": {"a": 0.5, "b": -1, "c": "0.5", "d": null, "e": 1e300, "f": [1], "g": 0,
             "absent": 2}}
            """
        let names: Set<TensorName> = ["a", "b", "c", "d", "e", "f", "g"]
        let read = try #require(Sensitivities(parsing: JSONValue(parsing: Array(text.utf8)), names: names))
        #expect(read.divergences == ["a": 0.5, "g": 0])
        #expect(read.tokenCount == nil)
        // A number that is not finite cannot come from JSON, but from a caller.
        #expect(Sensitivities(parsing: ["divergence": ["a": .number(.nan)]], names: names) == nil)
        for value: JSONValue? in [
            nil, .null, 3, "text", [], [:], ["tokens": 3], ["divergence": []], ["divergence": [:]],
        ] {
            #expect(Sensitivities(parsing: value, names: names) == nil)
        }
    }
}
