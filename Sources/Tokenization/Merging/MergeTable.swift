/// A merge: two tokens by their numbers, and the one that they make.
struct ListedMerge: Sendable {
    let left: Symbol
    let right: Symbol
    let merged: Symbol
}

/// The merges of a list by what they join: open addressing over the list itself, which takes a third of the memory of a
/// table with keys and values of its own.
///
/// The hash is seeded anew in each process, so that no file can be built whose pairs all collide.
struct MergeTable: Sendable {
    private static let free = UInt32.max
    private static let seed = UInt64.random(in: .min ... .max)

    private let merges: [ListedMerge]
    /// The place of a merge in the list, which is its rank.
    private var slots: [UInt32]
    private let mask: Int

    /// Creates the table. Of merges of the same pair the last counts.
    init(_ merges: [ListedMerge]) {
        self.merges = merges
        var size = 16
        while size < merges.count * 2 { size *= 2 }
        slots = Array(repeating: Self.free, count: size)
        mask = size - 1
        for (rank, merge) in merges.enumerated() {
            let place = slot(of: merge.left, merge.right)
            slots[place] = UInt32(truncatingIfNeeded: rank)
        }
    }

    /// The slot where the merge of a pair is or would be.
    private func slot(of left: Symbol, _ right: Symbol) -> Int {
        let product = (BytePairMerger.pair(left, right) ^ Self.seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        var place = Int(truncatingIfNeeded: product.high ^ product.low) & mask
        while slots[place] != Self.free {
            let merge = merges[Int(slots[place])]
            if merge.left == left, merge.right == right { break }
            place = (place + 1) & mask
        }
        return place
    }

    /// `rank << 32 | merged symbol` of a pair, or nil. Complexity: O(1) on average.
    func merge(of left: Symbol, _ right: Symbol) -> UInt64? {
        let rank = slots[slot(of: left, right)]
        return rank == Self.free ? nil : UInt64(rank) << 32 | UInt64(merges[Int(rank)].merged)
    }
}
