import Synchronization

/// Which tiles have been checked against their checksums, and which are being checked: set and read by any thread.
final class VerifiedTiles: Sendable {
    private final class Word: Sendable {
        let bits = Atomic<UInt64>(0)
    }

    private let verified: [Word]
    private let claimed: [Word]

    init(count: Int) {
        let words = (count + 63) / 64
        verified = (0..<words).map { _ in Word() }
        claimed = (0..<words).map { _ in Word() }
    }

    func contains(_ tile: Int) -> Bool {
        verified[tile / 64].bits.load(ordering: .acquiring) & bit(tile) != 0
    }

    func insert(_ tile: Int) {
        verified[tile / 64].bits.bitwiseOr(bit(tile), ordering: .releasing)
    }

    /// Whether the caller shall check the tile; false when another thread is about to, or has.
    func claim(_ tile: Int) -> Bool {
        claimed[tile / 64].bits.bitwiseOr(bit(tile), ordering: .acquiringAndReleasing).oldValue & bit(tile) == 0
    }

    /// Gives a claimed tile back that is not sound: whoever comes next checks it again.
    func release(_ tile: Int) {
        claimed[tile / 64].bits.bitwiseAnd(~bit(tile), ordering: .releasing)
    }

    /// Forgets about all tiles. Those that are being checked may be checked once more.
    func removeAll() {
        for word in verified + claimed { word.bits.store(0, ordering: .releasing) }
    }

    private func bit(_ tile: Int) -> UInt64 { 1 << UInt64(tile % 64) }
}
