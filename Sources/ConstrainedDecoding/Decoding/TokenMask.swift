import Tensors

/// A set of tokens, with a bit for each token of a vocabulary.
package struct TokenMask: Sendable, Equatable {
    /// The bits, 64 tokens in a word, the lowest token in the lowest bit. Bits beyond `capacity` are 0.
    package private(set) var words: [UInt64]
    /// The tokens `0..<capacity` can be in the set.
    package let capacity: Int

    /// Creates an empty set.
    package init(capacity: Int) {
        self.capacity = Swift.max(0, capacity)
        words = [UInt64](repeating: 0, count: (self.capacity + 63) / 64)
    }

    /// Whether no token is in the set.
    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// The number of tokens in the set.
    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Whether a token is in the set. Setting does nothing for tokens beyond the capacity.
    package subscript(token: TokenID) -> Bool {
        get {
            guard token.rawValue >= 0, Int(token.rawValue) < capacity else { return false }
            return words[Int(token.rawValue) / 64] >> UInt64(token.rawValue % 64) & 1 != 0
        }
        set {
            guard token.rawValue >= 0, Int(token.rawValue) < capacity else { return }
            let bit: UInt64 = 1 << UInt64(token.rawValue % 64)
            if newValue { words[Int(token.rawValue) / 64] |= bit } else { words[Int(token.rawValue) / 64] &= ~bit }
        }
    }
}

extension TokenMask: Sequence {
    /// The tokens of a set by ascending id.
    package struct Iterator: IteratorProtocol {
        private let words: [UInt64]
        private var index = -1
        private var rest: UInt64 = 0

        fileprivate init(_ words: [UInt64]) { self.words = words }

        /// The next token.
        package mutating func next() -> TokenID? {
            while rest == 0 {
                index += 1
                guard index < words.count else { return nil }
                rest = words[index]
            }
            let bit = rest.trailingZeroBitCount
            rest &= rest - 1
            return TokenID(rawValue: Int32(index * 64 + bit))
        }
    }

    /// Iterates over the tokens by ascending id.
    package func makeIterator() -> Iterator { Iterator(words) }
}
