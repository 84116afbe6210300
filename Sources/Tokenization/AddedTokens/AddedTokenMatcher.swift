/// Finds added tokens in a text: the leftmost, and of those the longest. A trie over bytes.
struct AddedTokenMatcher: Sendable {
    /// A text to search for, and the index of its token.
    struct Pattern {
        let text: [UInt8]
        let token: Int
    }

    /// A token that was found, and where.
    struct Match: Equatable {
        let token: Int
        let range: Range<Int>
    }

    /// From `node << 8 | byte` to the next node.
    private var edges = IntegerTable()
    /// The token that ends at each node, or -1.
    private var tokens: [Int32] = [-1]
    private var isFirstByte = Array(repeating: false, count: 256)

    /// Creates a matcher. Of equal texts the first one wins; empty texts are never found.
    init(_ patterns: [Pattern]) {
        for pattern in patterns {
            guard let first = pattern.text.first else { continue }
            isFirstByte[Int(first)] = true
            var node = 0
            for byte in pattern.text {
                let key = UInt64(node) << 8 | UInt64(byte)
                if let next = edges.value(of: key) {
                    node = Int(next)
                } else {
                    edges.set(key, to: UInt64(tokens.count))
                    node = tokens.count
                    tokens.append(-1)
                }
            }
            if tokens[node] < 0 { tokens[node] = Int32(truncatingIfNeeded: pattern.token) }
        }
    }

    /// Whether there is nothing to search for.
    var isEmpty: Bool { tokens.count == 1 }

    /// The longest token that starts at `position`.
    func match(at position: Int, in text: Span<UInt8>) -> Match? {
        guard isFirstByte[Int(text[position])] else { return nil }
        var node = 0
        var best: Match?
        var end = position
        while end < text.count, let next = edges.value(of: UInt64(node) << 8 | UInt64(text[end])) {
            node = Int(next)
            end += 1
            if tokens[node] >= 0 { best = Match(token: Int(tokens[node]), range: position..<end) }
        }
        return best
    }
}
