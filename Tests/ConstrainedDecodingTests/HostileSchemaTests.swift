import ConstrainedDecoding
import Storage
import TestSupport
import Testing

@Suite("Schemas that would need too much", .timeLimit(.minutes(5)))
struct HostileSchemaTests {
    private static func list(_ count: Int, _ item: (Int) -> String) -> String {
        (0..<count).map(item).joined(separator: ", ")
    }

    private static let schemas: [(name: String, schema: String)] = [
        ("many bytes", #"{"title": "\#(String(repeating: "a", count: 70_000))"}"#),
        ("a large repetition", #"{"type": "string", "pattern": "^a{1,100000}$"}"#),
        ("nested repetitions", #"{"type": "string", "pattern": "^((a{100}){100}){100}$"}"#),
        ("nested empty repetitions", #"{"type": "string", "pattern": "^(((){1000}){1000}){1000}$"}"#),
        ("exponential pattern", #"{"type": "string", "pattern": "^(a|b)*a(a|b){20}$"}"#),
        (
            "deep groups",
            #"{"pattern": "\#(String(repeating: "(", count: 5000) + String(repeating: ")", count: 5000))"}"#
        ),
        ("a long string", #"{"type": "string", "maxLength": 1000000000}"#),
        ("a long string of a pattern", #"{"type": "string", "pattern": "^(a.?b)*$", "maxLength": 60000}"#),
        ("a long array", #"{"type": "array", "minItems": 9223372036854775807}"#),
        (
            "doubling references",
            ##"{"$ref": "#/$defs/0", "$defs": {\##(list(40) { ##""\##($0)": {"allOf": [{"$ref": "#/$defs/\##(($0 + 1) % 41)"}, {"$ref": "#/$defs/\##(($0 + 1) % 41)"}]}"## }), "40": {}}}"##
        ),
        (
            "multiplying alternatives",
            #"{"allOf": [\#(list(10) { _ in #"{"anyOf": [{"minLength": 1}, {"minLength": 2}, {"minLength": 3}]}"# })]}"#
        ),
        ("many alternatives", #"{"anyOf": [\#(list(300) { #"{"const": \#($0)}"# })]}"#),
        (
            "a long chain of references",
            ##"{"$ref": "#/$defs/0", "$defs": {\##(list(500) { ##""\##($0)": {"$ref": "#/$defs/\##($0 + 1)"}"## }), "500": {}}}"##
        ),
        ("many optional properties", #"{"properties": {\#(list(1500) { #""p\#($0)": {}"# })}}"#),
        (
            "many combinations of schemas",
            ##"{"allOf": [\##(list(12) { ##"{"$ref": "#/$defs/\##($0)"}"## })], "$defs": {\##(list(12) { ##""\##($0)": {"properties": {"x": {"$ref": "#/$defs/\##($0)"}, "y": {"$ref": "#/$defs/\##(($0 + 1) % 12)"}}}"## })}}"##
        ),
    ]

    @Test("are refused, or compiled, within bounds", arguments: schemas.map(\.name))
    func bounds(name: String) throws {
        let schema = try #require(Self.schemas.first { $0.name == name }?.schema)
        // Not every one must be refused.
        guard name != "many combinations of schemas", name != "nested empty repetitions" else {
            _ = try? JSONConstraint(schema)
            return
        }
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
        #expect(["schema.too-large", "schema.unsupported"].contains(error?.code.name), "\(error.debugDescription)")
    }

    @Test("large but harmless ones are compiled")
    func large() throws {
        let words = Self.list(3000) { #""word \#($0)""# }
        let enumeration = try JSONConstraint(#"{"enum": [\#(words)]}"#)
        #expect(enumeration.accepts("\"word 2999\"") && !enumeration.accepts("\"word 3000\""))
        let names = Self.list(1000) { #""p\#($0)": {"type": "null"}"# }
        let required = Self.list(1000) { #""p\#($0)""# }
        let object = try JSONConstraint(#"{"properties": {\#(names)}, "required": [\#(required)]}"#)
        #expect(object.accepts("{" + Self.list(1000) { "\"p\($0)\": null" } + "}"))
        let string = try JSONConstraint(#"{"type": "string", "minLength": 10, "maxLength": 20000}"#)
        #expect(string.accepts("\"" + String(repeating: "é", count: 20_000) + "\""))
        #expect(!string.accepts("\"" + String(repeating: "é", count: 20_001) + "\""))
    }

    @Test("ambiguous alternatives that multiply with each level are all followed")
    func ambiguity() throws {
        let item = (0..<20).map { ##"{"type": "array", "items": {"$ref": "#"}, "maxItems": \##($0 + 1)}"## }
        let constraint = try JSONConstraint(##"{"anyOf": [\##(item.joined(separator: ", ")), {"type": "integer"}]}"##)
        var walk = RandomWalk(vocabulary: .small, random: RepeatableRandom(seed: 9))
        for round in 0..<3 {
            let text = try #require(try walk.text(under: constraint, freeTokens: round * 6))
            _ = try JSONValue(parsing: text)
        }
        #expect(constraint.accepts("[[[[[[[[1, 2], 3]]]]], [4, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 17], 18]]"))
        let long = (1...21).map { "\($0)" }.joined(separator: ", ")
        #expect(!constraint.accepts("[[[[[[[[1, 2], 3]]]]], [\(long)]]]"))
    }
}
