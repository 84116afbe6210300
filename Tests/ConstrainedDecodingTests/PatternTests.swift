import ConstrainedDecoding
import Foundation
import Storage
import TestSupport
import Testing

@Suite("Patterns")
struct PatternTests {
    /// Patterns that mean the same to ECMA-262 and to Python's `re` on the texts of these tests.
    static let patterns = [
        "", "a", "^a", "a$", "^a$", "^$", "ab|c", "^ab|c$", "^(ab|c)$", "(^a|b)c", "a(b$|c)", "^(?:a|b)*c", "a{2}",
        "^a{2,}$", "^a{1,3}$", "^(ab){2}$", "^a?b+?c*?$", "^(a|ab)(c|bcd)?$", "^[abc]+$", "^[^abc]+$", "^[a-c0-2-]+$",
        "[]a]?b", "^\\d+$", "^\\D+$", "^\\w+$", "^\\W+$", "^\\s$", "^\\S+$", "^[\\d_]+$", "^[^\\d]+$", "^a.c$", "^.*$",
        "^.+b",
        "\\.", "^\\$1$", "\\^", "^\\x61\\u0062$", "(?P<x>a)", "^(a*)*b$", "^(a+)+$", "^(|a)+$", "^a{0}b$", "^(?:)$",
        "^(a|b|c){3}$", "c{0,2}$", "a|", "^(a$|b)", "x*", "^[\\^\\]\\-a]+$", "^\\ta", "a\\/b", "((a)|(b(c)))+", "$^",
        "^^a$$",
        "b^a", "a$b", "[0-9]{2,3}-?[a-c]", "^[a-c]{2}[^a-c]{1,2}$",
    ]

    /// All texts of up to four of a few characters, and some others.
    static let texts: [String] = {
        var texts = [""]
        var last = [""]
        for _ in 0..<4 {
            last = last.flatMap { text in ["a", "b", "c", "1"].map { text + $0 } }
            texts += last
        }
        return texts + [
            "a.c", "$1", "^", "-", "]", "_", " ", "\t", "\ta", "é", "aéc", "😀", "a/b", "abcd", "abcbcd", "12-a", "123b",
            "x", "aaaaaaa",
            "a b", "A", "~", "a😀c",
        ]
    }()

    @Test("find the same texts as Python's re", .needsPython)
    func python() throws {
        let script = """
            import json, re, sys
            patterns, texts = json.load(open(sys.argv[1], encoding="utf-8"))
            found = [[bool(re.search(p, text, re.ASCII)) for text in texts] for p in patterns]
            print(json.dumps(found))
            """
        // Python has another syntax for named groups and does not take an unescaped bracket for an empty class.
        let patterns = Self.patterns.filter { $0 != "(?P<x>a)" && $0 != "[]a]?b" }
        let strings = { (list: [String]) in JSONValue.array(list.map { .string($0) }) }
        let found = try PythonSchemas.run(script, .array([strings(patterns), strings(Self.texts)]))
        for (pattern, found) in zip(patterns, try #require(found.array)) {
            let expected = zip(Self.texts, found.array ?? []).filter { $0.1 == .bool(true) }.map(\.0)
            // A pattern that finds nothing is an error.
            guard let constraint = try? JSONConstraint(schema: ["type": "string", "pattern": .string(pattern)]) else {
                #expect(expected.isEmpty, "\(pattern)")
                continue
            }
            let accepted = Self.texts.filter { constraint.accepts(Self.quoted($0)) }
            #expect(accepted == expected, "\(pattern)")
        }
    }

    /// A text as a JSON string in the spelling that patterns demand.
    private static func quoted(_ text: String) -> [UInt8] {
        text == "\u{8}" ? Array(#""\b""#.utf8) : JSONValue.string(text).encoded()
    }

    @Test("follow ECMA-262 where it differs from other dialects")
    func dialect() throws {
        let cases: [(pattern: String, found: [String], missed: [String])] = [
            ("^.$", ["a", "\u{85}", "😀"], ["\n", "\r", "\u{2028}", "\u{2029}"]),
            ("^\\d$", ["7"], ["٣"]), ("^\\w$", ["a", "_"], ["é"]), ("^\\W$", ["é", "-"], ["a"]),
            ("^\\s$", ["\u{FEFF}", "\u{A0}", "\u{2003}", "\u{0B}"], ["\u{1C}", "\u{85}"]), ("a$", ["a"], ["a\n"]),
            ("^[^]$", ["a", "\n"], [""]), ("^[\\b]$", ["\u{8}"], ["b"]), ("^\\cJ$", ["\n"], ["J"]),
            ("^\\u{1F600}$", ["😀"], ["u"]), ("^\\uD83D\\uDE00$", ["😀"], []), ("^(?<year>\\d{4})$", ["2024"], ["24"]),
            ("^\\0$", ["\u{0}"], ["0"]), ("^[\u{1F600}-\u{1F610}]$", ["😀", "😁"], ["😟"]),
            ("^[+--]$", ["+", ",", "-"], ["."]),
        ]
        for (pattern, found, missed) in cases {
            let constraint = try JSONConstraint(schema: ["type": "string", "pattern": .string(pattern)])
            for text in found { #expect(constraint.accepts(Self.quoted(text)), "\(pattern): \(text)") }
            for text in missed { #expect(!constraint.accepts(Self.quoted(text)), "\(pattern): \(text)") }
        }
    }

    @Test(
        "are refused if they are malformed or not regular",
        arguments: [
            ("(", "schema.invalid"), (")", "schema.invalid"), ("a)", "schema.invalid"), ("[a", "schema.invalid"),
            ("a**", "schema.invalid"), ("*", "schema.invalid"), ("a{2,1}", "schema.invalid"), ("a{", "schema.invalid"),
            ("a{x}", "schema.invalid"), ("]", "schema.invalid"), ("}", "schema.invalid"), ("\\", "schema.invalid"),
            ("\\y", "schema.invalid"), ("[b-a]", "schema.invalid"), ("[\\d-a]", "schema.invalid"),
            ("^*", "schema.invalid"),
            ("\\xg0", "schema.invalid"), ("\\u12", "schema.invalid"), ("(?<a", "schema.invalid"),
            ("\\01", "schema.invalid"),
            ("(?=a)", "schema.unsupported"), ("(?!a)", "schema.unsupported"), ("(?<=a)b", "schema.unsupported"),
            ("(?<!a)b", "schema.unsupported"), ("(a)\\1", "schema.unsupported"), ("\\bword\\b", "schema.unsupported"),
            ("\\p{L}", "schema.unsupported"), ("(?i)a", "schema.unsupported"), ("(?<a>b)\\k<a>", "schema.unsupported"),
            ("\\ud800", "schema.unsupported"), ("[]", "schema.invalid"), ("a^", "schema.invalid"),
            ("(?P<x>a)", "schema.unsupported"),
        ])
    func refused(pattern: String, code: String) throws {
        let schema: JSONValue = ["type": "string", "pattern": .string(pattern)]
        let error = #expect(throws: PVITError.self) { try JSONConstraint(schema: schema) }
        #expect(error?.code.name == code, "\(pattern): \(error.debugDescription)")
    }
}
