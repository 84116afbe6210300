import Storage

/// A repeatable sequence of random numbers.
public struct RepeatableRandom: RandomNumberGenerator {
    private var source: RandomSource

    /// Starts a sequence.
    public init(seed: UInt64) { source = RandomSource(seed: seed) }

    /// The next number.
    public mutating func next() -> UInt64 { source.next() }
}
