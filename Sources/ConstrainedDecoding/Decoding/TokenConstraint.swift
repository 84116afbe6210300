import Tensors

/// A constraint on the tokens of one answer.
package struct TokenConstraint: Sendable {
    private var state: ConstraintState
    private let trie: VocabularyTrie
    private let ends: Set<TokenID>

    /// Starts an answer.
    ///
    /// - Parameter ends: The tokens that end an answer. They are allowed exactly when the text is complete.
    package init(_ constraint: JSONConstraint, trie: VocabularyTrie, ends: Set<TokenID>) {
        state = constraint.makeState()
        self.trie = trie
        self.ends = ends
    }

    /// Takes the next token of the answer.
    ///
    /// - Returns: Whether the token was allowed. If not, it is ignored.
    @discardableResult
    package mutating func accept(_ token: TokenID) -> Bool {
        if ends.contains(token) { return state.mayEnd }
        guard let bytes = trie.bytes(of: token) else { return false }
        return state.append(bytes)
    }

    /// The tokens that may come next. It is empty only if the vocabulary lacks the bytes that would have to follow.
    package func mask() -> TokenMask {
        var mask = trie.allowedTokens(from: state)
        let mayEnd = state.mayEnd
        for token in ends { mask[token] = mayEnd }
        return mask
    }

    /// Whether the text is complete.
    package var mayEnd: Bool { state.mayEnd }

    /// Whether the text is complete and only the end may follow.
    package var mustEnd: Bool { state.mustEnd }
}
