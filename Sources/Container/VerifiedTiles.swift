import Synchronization

/// Which tiles have been checked against their checksums, and which are being checked: set and read by any thread.
final class VerifiedTiles: Sendable {
    /// One bit for each tile. Plain memory, so that threads that ask often touch nothing that others write.
    private let verified: Bits
    private let claimed: Bits

    init(count: Int) {
        verified = Bits(count)
        claimed = Bits(count)
    }

    /// The bits of verified tiles, for as long as this object lives.
    var reader: TileBits { TileBits(words: verified.words) }

    func contains(_ tile: Int) -> Bool { reader.contains(tile) }

    func insert(_ tile: Int) { _ = verified.insert(tile) }

    /// Whether the caller shall check the tile; false when another thread is about to, or has.
    func claim(_ tile: Int) -> Bool { claimed.insert(tile) }

    /// Gives a claimed tile back that is not sound: whoever comes next checks it again.
    func release(_ tile: Int) { claimed.remove(tile) }

    /// Forgets about all tiles. Those that are being checked may be checked once more.
    func removeAll() {
        verified.removeAll()
        claimed.removeAll()
    }

    private final class Bits: @unchecked Sendable {
        // The pointer never changes, and what it points to is atomic.
        let words: UnsafeMutablePointer<Atomic<UInt64>>
        private let wordCount: Int

        init(_ count: Int) {
            wordCount = (count + 63) / 64
            words = .allocate(capacity: max(wordCount, 1))
            for word in 0..<wordCount { (words + word).initialize(to: Atomic(0)) }
        }

        deinit {
            words.deinitialize(count: wordCount)
            words.deallocate()
        }

        /// Whether the bit was not set before.
        func insert(_ tile: Int) -> Bool {
            let (old, _) = words[tile / 64].bitwiseOr(TileBits.mask(tile), ordering: .acquiringAndReleasing)
            return old & TileBits.mask(tile) == 0
        }

        func remove(_ tile: Int) { words[tile / 64].bitwiseAnd(~TileBits.mask(tile), ordering: .releasing) }

        func removeAll() { for word in 0..<wordCount { words[word].store(0, ordering: .releasing) } }
    }
}

/// One bit for each tile, to be read.
struct TileBits {
    fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    func contains(_ tile: Int) -> Bool {
        words[tile / 64].load(ordering: .acquiring) & Self.mask(tile) != 0
    }

    @inline(__always)
    fileprivate static func mask(_ tile: Int) -> UInt64 { 1 << UInt64(tile % 64) }
}
