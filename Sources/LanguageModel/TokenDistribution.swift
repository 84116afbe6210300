import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The probabilities that the next token is drawn with.
package struct TokenDistribution: Sendable, Hashable {
    /// The tokens that may be drawn, in ascending order.
    package let tokens: [TokenID]
    /// Their probabilities, whose sum is 1 up to rounding.
    package let probabilities: [Double]

    /// The memory for the probabilities of `count` tokens.
    package static func byteCount(_ count: Int) -> Int {
        count * (MemoryLayout<TokenID>.stride + MemoryLayout<Double>.stride)
    }

    /// Creates a distribution.
    ///
    /// - Parameter weights: Tokens with their probabilities, or multiples of them: at least one, and not all 0.
    package init(_ weights: [(token: TokenID, weight: Double)]) {
        let sorted = weights.sorted { $0.token.rawValue < $1.token.rawValue }
        let total = sorted.reduce(0) { $0 + $1.weight }
        tokens = sorted.map(\.token)
        probabilities = sorted.map { $0.weight / total }
    }

    /// The probability of a token.
    package func probability(of token: TokenID) -> Double {
        var range = 0..<tokens.count
        while range.count > 1 {
            let middle = range.lowerBound + range.count / 2
            range = tokens[middle].rawValue <= token.rawValue ? middle..<range.upperBound : range.lowerBound..<middle
        }
        guard let index = range.first, tokens[index] == token else { return 0 }
        return probabilities[index]
    }

    /// The largest probability of the softmax of logits, which tells how sure a model is.
    package static func largestProbability(_ logits: Span<Float>) -> Double {
        var largest = -Float.infinity
        for index in logits.indices { largest = max(largest, logits[index]) }
        var sum: Float = 0
        // All others together add less than one in a thousand.
        for index in logits.indices where logits[index] > largest - 20 { sum += exp(logits[index] - largest) }
        return sum > 0 ? Double(1 / sum) : 0
    }

    /// Draws a token.
    ///
    /// - Parameter unit: A random number in 0..<1.
    package func token(at unit: Double) -> TokenID {
        var remaining = unit
        for (token, probability) in zip(tokens, probabilities) {
            remaining -= probability
            if remaining < 0 { return token }
        }
        return probabilities.lastIndex { $0 > 0 }.map { tokens[$0] } ?? TokenID(rawValue: 0)
    }

    // MARK: Speculative sampling (Leviathan et al., arXiv 2211.17192, section 2.3)

    /// The probability that a token is accepted which was drawn from another distribution: min(1, p / q). If it is not
    /// accepted, a token of the `residual` takes its place; together they are distributed as this distribution is.
    package func acceptance(of token: TokenID, drawnFrom other: TokenDistribution) -> Double {
        let drawn = other.probability(of: token)
        return drawn > 0 ? min(probability(of: token) / drawn, 1) : 0
    }

    /// What the token is drawn from that takes the place of one that was not accepted: the normalized positive part of
    /// p - q. The distribution itself if nothing is left, which only rounding can cause.
    package func residual(after other: TokenDistribution) -> TokenDistribution {
        let weights = zip(tokens, probabilities).map { token, probability in
            (token: token, weight: max(probability - other.probability(of: token), 0))
        }
        return weights.contains { $0.weight > 0 } ? TokenDistribution(weights) : self
    }
}
