/// A set of pairs of symbols with false positives but no false negatives: a Bloom filter with one hash. Unlike a table
/// of all pairs, it stays in the cache and is fast to build.
struct PairFilter: Sendable {
    private var words: [UInt64]
    private let shift: UInt64

    /// Creates an empty set with few false positives for up to about `capacity` members.
    init(capacity: Int) {
        var bits: UInt64 = 12
        while bits < 24, 1 << bits < capacity * 8 { bits += 1 }
        words = Array(repeating: 0, count: 1 << Int(bits - 6))
        shift = 64 - bits
    }

    private func bit(_ left: Symbol, _ right: Symbol) -> UInt64 {
        (BytePairMerger.pair(left, right) &* 0x9E37_79B9_7F4A_7C15) >> shift
    }

    /// Adds a pair.
    mutating func insert(_ left: Symbol, _ right: Symbol) {
        let bit = bit(left, right)
        words[Int(bit >> 6)] |= 1 << (bit & 63)
    }

    /// Whether the pair may be a member.
    func mayContain(_ left: Symbol, _ right: Symbol) -> Bool {
        let bit = bit(left, right)
        return words[Int(bit >> 6)] & 1 << (bit & 63) != 0
    }
}
