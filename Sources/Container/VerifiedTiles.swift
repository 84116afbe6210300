import Synchronization

/// The tiles whose checksums have been verified, and those that are being verified. Any thread may read and change
/// them.
final class VerifiedTiles: Sendable {
    /// One bit per tile. Reading it writes nothing, so threads that read often do not slow each other down.
    private let verified: Bits
    private let claimed: Bits

    init(count: Int) {
        verified = Bits(count)
        claimed = Bits(count)
    }

    /// The bits of verified tiles. Valid as long as this object lives.
    var reader: TileBits { TileBits(words: verified.words) }

    func contains(_ tile: Int) -> Bool { reader.contains(tile) }

    func insert(_ tile: Int) { _ = verified.insert(tile) }

    /// Whether the caller has to verify the tile; false if another thread has claimed it.
    func claim(_ tile: Int) -> Bool { claimed.insert(tile) }

    /// Releases a claimed tile that is damaged, so that the next use verifies it again.
    func release(_ tile: Int) { claimed.remove(tile) }

    /// Forgets all tiles. Tiles that are being verified may be verified once more.
    func removeAll() {
        verified.removeAll()
        claimed.removeAll()
    }

    private final class Bits: @unchecked Sendable {
        // @unchecked Sendable because the pointer is constant and its words are atomic.
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

        /// Sets a bit. Returns whether it was not set before.
        func insert(_ tile: Int) -> Bool {
            let (old, _) = words[tile / 64].bitwiseOr(TileBits.mask(tile), ordering: .acquiringAndReleasing)
            return old & TileBits.mask(tile) == 0
        }

        func remove(_ tile: Int) { words[tile / 64].bitwiseAnd(~TileBits.mask(tile), ordering: .releasing) }

        func removeAll() { for word in 0..<wordCount { words[word].store(0, ordering: .releasing) } }
    }
}

/// A read-only view of one bit per tile.
struct TileBits {
    fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    func contains(_ tile: Int) -> Bool {
        words[tile / 64].load(ordering: .acquiring) & Self.mask(tile) != 0
    }

    @inline(__always)
    fileprivate static func mask(_ tile: Int) -> UInt64 { 1 << UInt64(tile % 64) }
}
