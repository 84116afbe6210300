import Tensors
import Testing

@Suite("Patterns for tensor names")
struct TensorNamePatternTests {
    @Test(
        "patterns match whole names: * any bytes, ? one byte",
        arguments: [
            ("*", "", true), ("*", "a.b", true), ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "abcd", false),
            ("a?c", "abc", true), ("a?c", "ac", false), ("", "", true), ("", "a", false), ("**b*", "aab", true),
            ("*.1.*", "model.layers.1.mlp", true), ("*.1.*", "model.layers.11.mlp", false), ("a.c", "abc", false),
            ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ])
    func patterns(pattern: String, name: String, matches: Bool) {
        #expect(TensorNamePattern(pattern).matches(TensorName(name)) == matches)
    }

    @Test(
        "slashes, leading dots, brackets and backslashes are ordinary bytes",
        arguments: [
            ("*b", "a/c/b", true), ("a?b", "a/b", true), ("*", ".a", true), ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("[", "[", true), ("[!a]*", "[!a]b", true), ("a\\*", "a\\b", true), ("a\\*", "a*", false),
        ])
    func ordinaryBytes(pattern: String, name: String, matches: Bool) {
        #expect(TensorNamePattern(pattern).matches(TensorName(name)) == matches)
    }

    @Test("names are bytes: spellings of a character differ, and one beyond ASCII takes several ?")
    func bytes() {
        #expect(TensorNamePattern("\u{E9}*").matches("\u{E9}a") && !TensorNamePattern("\u{E9}*").matches("e\u{301}a"))
        #expect(TensorNamePattern("a??b").matches("a\u{E9}b") && !TensorNamePattern("a?b").matches("a\u{E9}b"))
    }

    @Test("a pattern without wildcards is a name")
    func names() {
        #expect(TensorNamePattern("a.[0]").isName)
        #expect(!TensorNamePattern("a.*").isName && !TensorNamePattern("a.?").isName)
    }
}
