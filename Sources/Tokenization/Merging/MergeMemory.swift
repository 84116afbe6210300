/// A cache of merges that are slow to find, by pair of symbols.
///
/// The cache is direct-mapped: each pair has one entry, which another pair may replace. Its size is bounded for any
/// text.
struct MergeMemory {
    private struct Entry {
        var pair: UInt64
        var merge: UInt64
    }

    /// Not a pair: the symbols of characters are far below.
    private static let free = Entry(pair: .max, merge: 0)
    private static let largestBitCount: UInt64 = 13

    private var entries: [Entry] = []
    private var shift: UInt64 = 63
    private var text: [UInt8] = []

    /// Makes room for a text of `count` symbols. Must be called before `value`.
    mutating func prepare(forCount count: Int) {
        var bits: UInt64 = 6
        while bits < Self.largestBitCount, 1 << bits < count { bits += 1 }
        guard entries.count < 1 << bits else { return }
        entries = Array(repeating: Self.free, count: 1 << bits)
        shift = 64 - bits
    }

    /// The merge of a pair.
    ///
    /// - Parameter find: Finds a merge that is not in the cache. Its argument is scratch memory.
    mutating func value(of pair: UInt64, _ find: (inout [UInt8]) -> UInt64) -> UInt64 {
        let position = Int((pair &* 0x9E37_79B9_7F4A_7C15) >> shift)
        if entries[position].pair == pair { return entries[position].merge }
        let merge = find(&text)
        entries[position] = Entry(pair: pair, merge: merge)
        return merge
    }
}
