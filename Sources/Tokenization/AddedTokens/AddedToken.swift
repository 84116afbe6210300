import Tensors

/// A token that is recognised in the text before the model sees it.
public struct AddedToken: Sendable, Hashable {
    /// Its id.
    public var id: TokenID
    /// The text that it stands for.
    public var content: String
    /// Whether it is only recognised as a whole word.
    public var singleWord: Bool
    /// Whether it swallows the white space before it.
    public var stripsLeft: Bool
    /// Whether it swallows the white space behind it.
    public var stripsRight: Bool
    /// Whether it is looked for in the normalized text.
    public var isNormalized: Bool
    /// Whether it controls the model rather than being text: left out of decoded text on request.
    public var isSpecial: Bool

    /// Creates a token.
    public init(
        id: TokenID, content: String, singleWord: Bool = false, stripsLeft: Bool = false, stripsRight: Bool = false,
        isNormalized: Bool = false, isSpecial: Bool = false
    ) {
        self.id = id
        self.content = content
        self.singleWord = singleWord
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
        self.isNormalized = isNormalized
        self.isSpecial = isSpecial
    }
}
