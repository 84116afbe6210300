/// A stretch of a text that is put together from several sources.
public struct TextSegment: Sendable, Hashable {
    /// The text.
    public var text: String
    /// Whether special tokens that are written in it become what they spell; text from strangers says no.
    public var recognisesSpecial: Bool

    /// Creates a stretch.
    public init(text: String, recognisesSpecial: Bool) {
        self.text = text
        self.recognisesSpecial = recognisesSpecial
    }
}
