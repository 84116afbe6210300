import Storage
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

    @Test(
        "Python's numbers that are not finite are read where they are expected, and written as transformers writes them"
    )
    func pythonNumbers() throws {
        let text = Array(#"{"a": [NaN, Infinity, -Infinity, -1]}"#.utf8)
        let value = try JSONValue(parsing: text, dialect: .python)
        let numbers = (value["a"]?.array ?? []).compactMap(\.double)
        #expect(numbers[0].isNaN && numbers[1...] == [.infinity, -.infinity, -1])
        #expect(value["a"]?.array?[1].integer == nil)
        // transformers 5.0: json.dumps after PreTrainedConfig._encode_special_floats.
        #expect(
            value.encoded()
                == Array(
                    (#"{"a":[{"__float__":"NaN"},{"__float__":"Infinity"},{"__float__":"-Infinity"},-1]}"#).utf8))
        #expect(throws: PVITError.self) { try JSONValue(parsing: text) }
        for text in ["nan", "Inf", "+Infinity", "-NaN", "Infinit", "-Infinityx", "1e999"] {
            #expect(throws: PVITError.self, "\(text)") { try JSONValue(parsing: Array(text.utf8), dialect: .python) }
        }
    }

    @Test("a byte order mark is skipped; UTF-16 and UTF-32 are named, with the remedy")
    func encodings() throws {
        #expect(try JSONValue(parsing: [0xEF, 0xBB, 0xBF] + Array("[1]".utf8)) == [1])
        for (mark, name) in [([0xFF, 0xFE] as [UInt8], "UTF-16"), ([], "UTF-16")] {
            let text = mark + "{\"name\": 1}".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
            let error = try #require(throws: PVITError.self) { try JSONValue(parsing: text) }
            #expect(error.code == .badJSON && error.what.contains(name) && error.remedy?.contains("iconv") == true)
        }
    }

    @Test("what is written reads back the same")
    func roundTrip() throws {
        let value: JSONValue = ["b": [1, 2.5, "a\"\\\n\u{7F}é"], "a": ["": .null, "t": false]]
        #expect(try JSONValue(parsing: value.encoded()) == value)
        #expect(try JSONValue(parsing: value.encoded(indentation: 2)) == value)
    }
}
