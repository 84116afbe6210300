import Testing

@testable import Conversion

@Suite("Patterns of tensor names")
struct GlobPatternTests {
    @Test(
        "patterns match names as in a shell",
        arguments: [
            ("*", "", true), ("*", "a.b", true), ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "abcd", false),
            ("a?c", "abc", true), ("a?c", "ac", false), ("", "", true), ("", "a", false), ("**b*", "aab", true),
            ("*.1.*", "model.layers.1.mlp", true), ("*.1.*", "model.layers.11.mlp", false), ("é*", "éa", true),
            ("a.c", "abc", false), ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ])
    func patterns(pattern: String, text: String, fits: Bool) {
        #expect(GlobPattern(pattern).matches(text) == fits)
    }
}
