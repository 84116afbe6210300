import Synchronization

/// Which tiles have been checked against their checksums: one bit for each, set and read by any thread.
final class VerifiedTiles: Sendable {
    private final class Word: Sendable {
        let bits = Atomic<UInt64>(0)
    }

    private let words: [Word]

    init(count: Int) {
        words = (0..<(count + 63) / 64).map { _ in Word() }
    }

    func contains(_ tile: Int) -> Bool {
        words[tile / 64].bits.load(ordering: .acquiring) & (1 << UInt64(tile % 64)) != 0
    }

    func insert(_ tile: Int) {
        words[tile / 64].bits.bitwiseOr(1 << UInt64(tile % 64), ordering: .releasing)
    }
}
