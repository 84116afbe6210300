/// One of several strings that make up a text.
public struct TextSegment: Sendable, Hashable {
    /// The text.
    public var text: String
    /// Whether special tokens are parsed in this segment. False for untrusted text.
    public var parsesSpecial: Bool

    /// Creates a segment.
    public init(text: String, parsesSpecial: Bool) {
        self.text = text
        self.parsesSpecial = parsesSpecial
    }
}
