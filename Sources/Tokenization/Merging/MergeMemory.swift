/// What merges the last pairs of symbols had, for those merges that cost a while to find.
///
/// Each pair has one place, where another one may replace it: the memory is small and bounded, whatever the text. What
/// two pairs that share a place cost is to be found again.
struct MergeMemory {
    private struct Entry {
        var pair: UInt64
        var merge: UInt64
    }

    /// No pair: symbols of characters end far below.
    private static let free = Entry(pair: .max, merge: 0)
    private static let largestBitCount: UInt64 = 13

    private var entries: [Entry] = []
    private var shift: UInt64 = 63
    private var text: [UInt8] = []

    /// Makes room for a text of so many symbols; must be called before `value`.
    mutating func prepare(forCount count: Int) {
        var bits: UInt64 = 6
        while bits < Self.largestBitCount, 1 << bits < count { bits += 1 }
        guard entries.count < 1 << bits else { return }
        entries = Array(repeating: Self.free, count: 1 << bits)
        shift = 64 - bits
    }

    /// The merge of a pair, by `find` when it is not remembered.
    ///
    /// - Parameter find: Finds the merge; its argument is memory to use.
    mutating func value(of pair: UInt64, _ find: (inout [UInt8]) -> UInt64) -> UInt64 {
        let place = Int((pair &* 0x9E37_79B9_7F4A_7C15) >> shift)
        if entries[place].pair == pair { return entries[place].merge }
        let merge = find(&text)
        entries[place] = Entry(pair: pair, merge: merge)
        return merge
    }
}
