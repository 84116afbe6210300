/// One of several strings that make up a text.
package struct TextSegment: Sendable, Hashable {
    /// The text.
    package var text: String
    /// Whether special tokens are parsed in this segment. False for untrusted text.
    package var parsesSpecial: Bool

    /// Creates a segment.
    package init(text: String, parsesSpecial: Bool) {
        self.text = text
        self.parsesSpecial = parsesSpecial
    }
}
