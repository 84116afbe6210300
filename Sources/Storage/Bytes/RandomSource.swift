/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): the same seed gives
/// the same numbers on every machine and in every version.
package struct RandomSource: Sendable, Hashable, RandomNumberGenerator {
    private var state: UInt64

    /// Creates a source whose numbers depend on `seed` alone.
    package init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in 0..<1: the upper 53 bits of the next 64, times 2^-53.
    package mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
