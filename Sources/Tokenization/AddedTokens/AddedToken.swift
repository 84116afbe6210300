import Tensors

/// A token that is found in the text before the model encodes the rest.
package struct AddedToken: Sendable, Hashable {
    /// Its id.
    package var id: TokenID
    /// Its text.
    package var content: String
    /// Whether it is only found as a whole word.
    package var singleWord: Bool
    /// Whether it strips the white space before it.
    package var stripsLeft: Bool
    /// Whether it strips the white space after it.
    package var stripsRight: Bool
    /// Whether it is searched for in the normalized text.
    package var isNormalized: Bool
    /// Whether it is a special token, which can be left out of decoded text.
    package var isSpecial: Bool

    /// Creates a token.
    package init(
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
