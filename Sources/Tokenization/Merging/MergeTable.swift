/// A merge: two tokens, and the token that they make.
struct ListedMerge: Sendable {
    let left: Symbol
    let right: Symbol
    let merged: Symbol
}

/// The merges in a list, by pair. A hash table with open addressing over the list itself, which takes a third of the
/// memory of a table with its own keys and values.
///
/// The hash has a random seed in each process, so that no file can be built whose pairs all collide.
struct MergeTable: Sendable {
    private static let free = UInt32.max
    private static let seed = UInt64.random(in: .min ... .max)

    private let merges: [ListedMerge]
    /// The index of a merge in the list, which is its rank.
    private var slots: [UInt32]
    private let mask: Int

    /// Creates the table. Of merges of the same pair the last one wins.
    init(_ merges: [ListedMerge]) {
        self.merges = merges
        var size = 16
        while size < merges.count * 2 { size *= 2 }
        slots = Array(repeating: Self.free, count: size)
        mask = size - 1
        for (rank, merge) in merges.enumerated() {
            let position = slot(of: merge.left, merge.right)
            slots[position] = UInt32(truncatingIfNeeded: rank)
        }
    }

    /// The slot of a pair, in use or free.
    private func slot(of left: Symbol, _ right: Symbol) -> Int {
        let product = (BytePairMerger.pair(left, right) ^ Self.seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        var position = Int(truncatingIfNeeded: product.high ^ product.low) & mask
        while slots[position] != Self.free {
            let merge = merges[Int(slots[position])]
            if merge.left == left, merge.right == right { break }
            position = (position + 1) & mask
        }
        return position
    }

    /// `rank << 32 | merged symbol` of a pair, or nil. Complexity: O(1) on average.
    func merge(of left: Symbol, _ right: Symbol) -> UInt64? {
        let rank = slots[slot(of: left, right)]
        return rank == Self.free ? nil : UInt64(rank) << 32 | UInt64(merges[Int(rank)].merged)
    }
}
