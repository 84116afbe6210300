import ConstrainedDecoding
import Storage
import TestSupport
import Testing

@Suite("Ranges of numbers")
struct NumberTests {
    private static let candidates = Array(-125...125)

    @Test("of integers have exactly the integers between their bounds", .slow)
    func integers() throws {
        for low in stride(from: -112, through: 112, by: 7) {
            for high in stride(from: low, through: 112, by: 5) {
                let constraint = try JSONConstraint(
                    schema: ["type": "integer", "minimum": .integer(low), "maximum": .integer(high)])
                let accepted = Self.candidates.filter { constraint.accepts("\($0)") }
                #expect(accepted == Array(low...high))
                #expect(!constraint.accepts("-0") && !constraint.accepts("00") && !constraint.accepts("01"))
            }
        }
    }

    @Test("of integers may have one bound or exclusive ones")
    func openRanges() throws {
        for bound in [-101, -100, -99, -10, -9, -1, 0, 1, 9, 10, 11, 99, 100, 101] {
            for (keyword, isIncluded) in [
                ("minimum", { $0 >= bound }), ("maximum", { $0 <= bound }), ("exclusiveMinimum", { $0 > bound }),
                ("exclusiveMaximum", { $0 < bound }),
            ] as [(String, (Int) -> Bool)] {
                let schema = JSONValue.object(["type": "integer", keyword: .integer(bound)])
                let constraint = try JSONConstraint(schema: schema)
                #expect(Self.candidates.filter { constraint.accepts("\($0)") } == Self.candidates.filter(isIncluded))
            }
        }
    }

    @Test("of integers reach the limits of 64 bits")
    func limits() throws {
        let (least, greatest) = (Int.min, Int.max)
        for number in [least, least + 1, greatest - 1, greatest] {
            let constraint = try JSONConstraint(
                schema: ["type": "integer", "minimum": .integer(number), "maximum": .integer(number)])
            #expect(constraint.accepts("\(number)"))
            for other in [least, least + 1, -1, 0, 1, greatest - 1, greatest] {
                #expect(constraint.accepts("\(other)") == (other == number))
            }
        }
        let all = try JSONConstraint(
            schema: ["type": "integer", "minimum": .integer(least), "maximum": .integer(greatest)])
        #expect(all.accepts("\(least)") && all.accepts("\(greatest)") && all.accepts("0"))
        #expect(!all.accepts("9223372036854775808") && !all.accepts("-9223372036854775809"))
    }

    @Test("that are empty are errors")
    func emptyRanges() {
        let schemas = [
            #"{"type": "integer", "minimum": 2, "maximum": 1}"#,
            #"{"type": "integer", "exclusiveMinimum": 0, "maximum": 0}"#,
            #"{"type": "integer", "exclusiveMinimum": 0.2, "exclusiveMaximum": 1}"#,
            #"{"type": "integer", "exclusiveMinimum": 9223372036854775807}"#, #"{"type": "integer", "minimum": 1e300}"#,
            #"{"type": "number", "minimum": 0.5, "exclusiveMaximum": 0.5}"#, #"{"type": "number", "minimum": 1e16}"#,
        ]
        for schema in schemas {
            let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
            #expect(error?.code.name == "schema.invalid", "\(schema)")
        }
    }

    @Test("of decimal numbers have exactly those between their bounds", .slow)
    func decimals() throws {
        // In hundredths, so that the comparison is exact.
        let texts = (-250...250).map { hundredths in
            let (whole, rest) = (abs(hundredths) / 100, abs(hundredths) % 100)
            return (hundredths, "\(hundredths < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)")
        }
        let bounds = [-210, -200, -125, -100, -99, -50, -5, -1, 0, 1, 5, 50, 99, 100, 101, 125, 200]
        for (index, low) in bounds.enumerated() {
            for high in bounds[index...] {
                for isInclusive in [true, false] where isInclusive || low < high {
                    let constraint = try JSONConstraint(
                        """
                        {"type": "number", "\(isInclusive ? "minimum" : "exclusiveMinimum")": \(Double(low) / 100),
                        "\(isInclusive ? "maximum" : "exclusiveMaximum")": \(Double(high) / 100)}
                        """)
                    for (value, text) in texts where text != "-0.00" {
                        let isIncluded = isInclusive ? low <= value && value <= high : low < value && value < high
                        #expect(constraint.accepts(text) == isIncluded, "\(text) in \(low)...\(high)")
                        // More zeros change nothing.
                        #expect(constraint.accepts(text + "00") == isIncluded)
                    }
                }
            }
        }
    }
}
