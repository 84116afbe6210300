import ConstrainedDecoding
import Tensors
import TestSupport
import Testing

/// Draws tokens that a constraint allows until the text ends.
struct RandomWalk {
    private static let maximumTokenCount = 5000

    let vocabulary: Vocabulary
    var random: RepeatableRandom

    /// A text; nil if it has not ended after very many tokens, as when each value demands several that may nest.
    ///
    /// - Parameter freeTokens: After this many tokens, those that close something are preferred.
    mutating func text(under constraint: JSONConstraint, freeTokens: Int) throws -> [UInt8]? {
        var state = TokenConstraint(constraint, trie: vocabulary.trie, ends: [vocabulary.end])
        var text: [UInt8] = []
        for count in 0..<Self.maximumTokenCount {
            let mask = state.mask()
            #expect(mask[vocabulary.end] == state.mayEnd)
            let token = try #require(
                next(mask, isClosing: count >= freeTokens), "no token after \(String(decoding: text, as: UTF8.self))")
            let isAccepted = state.accept(token)
            #expect(isAccepted)
            if token == vocabulary.end { return text }
            text += vocabulary.tokens[token] ?? []
        }
        return nil
    }

    private mutating func next(_ allowed: TokenMask, isClosing: Bool) -> TokenID? {
        if isClosing, random.next() % 4 > 0 {
            // Now and then another token, because a pattern may need one.
            let isInString = vocabulary.letter.map { allowed[$0] } ?? false
            let closing = isInString ? vocabulary.closing.suffix(1) : vocabulary.closing[...]
            if let token = closing.first(where: { allowed[$0] }) { return token }
        } else if random.next() % 2 == 0 {
            // Half of the time a token that is not mere content of a string, so that strings end.
            let marks = zip(allowed.words, vocabulary.marks.words).map { $0 & $1 }
            if let token = element(of: marks) { return token }
        }
        return element(of: allowed.words)
    }

    /// A random element of a set, given as the words of a mask.
    private mutating func element(of words: [UInt64]) -> TokenID? {
        let count = words.reduce(0) { $0 + $1.nonzeroBitCount }
        guard count > 0 else { return nil }
        var rank = Int.random(in: 0..<count, using: &random)
        for (index, word) in words.enumerated() {
            guard rank >= word.nonzeroBitCount else {
                let bit = (0..<64).filter { word >> UInt64($0) & 1 != 0 }[rank]
                return TokenID(rawValue: Int32(index * 64 + bit))
            }
            rank -= word.nonzeroBitCount
        }
        return nil
    }
}
