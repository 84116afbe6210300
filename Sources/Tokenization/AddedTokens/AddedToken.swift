import Tensors

/// A token that is found in the text before the model encodes the rest.
public struct AddedToken: Sendable, Hashable {
    /// Its id.
    public var id: TokenID
    /// Its text.
    public var content: String
    /// Whether it is only found as a whole word.
    public var singleWord: Bool
    /// Whether it strips the white space before it.
    public var stripsLeft: Bool
    /// Whether it strips the white space after it.
    public var stripsRight: Bool
    /// Whether it is searched for in the normalized text.
    public var isNormalized: Bool
    /// Whether it is a special token, which can be left out of decoded text.
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
