import ConstrainedDecoding
import Storage
import Testing

@Suite("Schemas that are refused")
struct SchemaErrorTests {
    @Test(
        "name the keyword and its place when it is not supported",
        arguments: [
            (#"{"type": "object", "patternProperties": {}}"#, "#/patternProperties", "patternProperties"),
            (#"{"properties": {"a/b": {"not": {}}}}"#, "#/properties/a~1b/not", "not"),
            (#"{"items": {"if": true}}"#, "#/items/if", "if"), (#"{"multipleOf": 2}"#, "#/multipleOf", "multipleOf"),
            (#"{"uniqueItems": true}"#, "#/uniqueItems", "uniqueItems"),
            (#"{"contains": {}}"#, "#/contains", "contains"),
            (#"{"minProperties": 1}"#, "#/minProperties", "minProperties"),
            (#"{"$anchor": "a"}"#, "#/$anchor", "$anchor"),
            (#"{"propertyNames": {}}"#, "#/propertyNames", "propertyNames"),
            (#"{"nullable": true}"#, "#/nullable", "nullable"),
            (#"{"unevaluatedProperties": false}"#, "#/unevaluatedProperties", "unevaluatedProperties"),
            (#"{"dependentRequired": {}}"#, "#/dependentRequired", "dependentRequired"),
            (#"{"type": "string", "format": "ipv6"}"#, "#/format", "ipv6"),
            (#"{"items": [{}]}"#, "#/items", "prefixItems"), (#"{"$ref": "other.json"}"#, "#/$ref", "another document"),
            (##"{"$ref": "#anchor"}"##, "#/$ref", "anchor"), (#"{"pattern": "(?=a)"}"#, "#/pattern", "lookahead"),
            (#"{"oneOf": [{"type": "string"}, {"minLength": 2}]}"#, "#/oneOf", "anyOf"),
            (#"{"anyOf": [{"type": "string"}, {"typ": "a"}]}"#, "#/anyOf/1/typ", "typ"),
            (#"{"type": "number", "minimum": 0.1234567890123456}"#, "#/minimum", "digits"),
        ])
    func unsupported(schema: String, place: String, word: String) {
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
        #expect(error?.code.name == "schema.unsupported")
        #expect(error?.what.contains("at \(place): ") == true, "\(error.debugDescription)")
        #expect(error?.what.contains(word) == true, "\(error.debugDescription)")
    }

    @Test(
        "say where they are malformed",
        arguments: [
            ("1", "#"), ("[]", "#"), (#"{"type": []}"#, "#/type"), (#"{"type": ["null", "null"]}"#, "#/type"),
            (#"{"anyOf": []}"#, "#/anyOf"), (#"{"type": "text"}"#, "#/type"), (#"{"type": 1}"#, "#/type"),
            (#"{"enum": 1}"#, "#/enum"), (#"{"properties": []}"#, "#/properties"),
            (#"{"properties": {"a": 1}}"#, "#/properties/a"), (#"{"required": "a"}"#, "#/required"),
            (#"{"required": ["a", "a"]}"#, "#/required"), (#"{"minLength": -1}"#, "#/minLength"),
            (#"{"maxItems": 1.5}"#, "#/maxItems"), (#"{"minimum": "1"}"#, "#/minimum"),
            (#"{"exclusiveMinimum": true}"#, "#/exclusiveMinimum"), (#"{"pattern": 1}"#, "#/pattern"),
            (#"{"pattern": "("}"#, "#/pattern"), (#"{"format": 1}"#, "#/format"), (#"{"anyOf": {}}"#, "#/anyOf"),
            (#"{"allOf": [1]}"#, "#/allOf/0"), (#"{"$ref": 1}"#, "#/$ref"), (##"{"$ref": "#/$defs/a"}"##, "#/$ref"),
            (##"{"$ref": "#/%zz"}"##, "#/$ref"), (##"{"$ref": "#/~2"}"##, "#/$ref"), (#"{"items": 3}"#, "#/items"),
            (##"{"$ref": "#/title", "title": "a"}"##, "#/title"),
        ])
    func malformed(schema: String, place: String) {
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
        #expect(error?.code.name == "schema.invalid")
        #expect(error?.what.contains("at \(place): ") == true, "\(error.debugDescription)")
    }

    @Test(
        "refer to themselves without a value in between",
        arguments: [
            ##"{"$ref": "#"}"##, ##"{"allOf": [{"$ref": "#"}]}"##, ##"{"anyOf": [{"type": "null"}, {"$ref": "#"}]}"##,
            ##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}"##,
        ])
    func cycles(schema: String) {
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
        #expect(error?.code.name == "schema.invalid")
        #expect(error?.what.contains("refers to itself") == true)
    }

    @Test(
        "are satisfied by nothing",
        arguments: [
            "false", #"{"enum": []}"#, #"{"type": "string", "enum": [1]}"#,
            #"{"allOf": [{"type": "string"}, {"type": "null"}]}"#,
            #"{"type": "string", "minLength": 2, "maxLength": 1}"#,
            #"{"type": "array", "minItems": 2, "maxItems": 1}"#, #"{"type": "array", "items": false, "minItems": 1}"#,
            #"{"type": "object", "properties": {"a": false}, "required": ["a"]}"#,
            #"{"type": "object", "required": ["a"], "additionalProperties": false}"#,
            #"{"type": "string", "pattern": "a^"}"#,
            ##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##,
            ##"{"type": "array", "items": {"$ref": "#"}, "minItems": 1}"##,
        ])
    func unsatisfiable(schema: String) {
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema) }
        #expect(error?.code.name == "schema.invalid")
        #expect(error?.what.contains("nothing satisfies") == true, "\(error.debugDescription)")
    }
}
