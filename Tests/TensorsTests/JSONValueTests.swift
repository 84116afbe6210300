import Tensors
import Testing

@Suite("JSON texts")
struct JSONValueTests {
    @Test("values, nesting and escapes are read as RFC 8259 says")
    func values() throws {
        let text = #" {"a": [1, -2.5, 1e3, true, null], "é": "x\n\u00e9\ud83d\ude00\/"} "#
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(value["a"] == [1, -2.5, 1000.0, true, .null])
        #expect(value["é"] == "x\né😀/")
        #expect(value["a"]?.array?[2].integer == 1000)
    }

    @Test(
        "anything that is not JSON is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "01", "1.", "+1", "nul", "\"\\x\"", "\"\\ud800\"", "\"a",
            "[1] 2",
            "{\"a\":1,\"a\":2}", "\"\u{1}\"", "1e999", String(repeating: "[", count: 200),
        ])
    func refused(text: String) throws {
        #expect(throws: PVITError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test("names are compared by their bytes, not by canonical equivalence")
    func names() throws {
        let value = try JSONValue(parsing: Array("{\"\u{E9}\": 1, \"e\u{301}\": 2}".utf8))
        #expect(value["\u{E9}"] == 1 && value["e\u{301}"] == 2)
        #expect(throws: PVITError.self) { try JSONValue(parsing: Array("{\"\u{E9}\": 1, \"\\u00e9\": 2}".utf8)) }
    }

    @Test("what is written reads back the same")
    func roundTrip() throws {
        let value: JSONValue = ["b": [1, 2.5, "a\"\\\n\u{7F}é"], "a": ["": .null, "t": false]]
        #expect(try JSONValue(parsing: value.encoded()) == value)
        #expect(try JSONValue(parsing: value.encoded(indentation: 2)) == value)
    }
}
