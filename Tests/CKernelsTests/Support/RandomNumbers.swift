/// A repeatable sequence of random numbers: splitmix64 (Steele, Lea and Flood, 2014).
struct RandomNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Floats in `range`.
    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    /// Floats of very different sizes, zeros of both signs among them.
    mutating func wildFloats(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            switch UInt8.random(in: 0..<16, using: &self) {
            case 0: 0
            case 1: -0.0
            default:
                Float(sign: .random(using: &self), exponent: Int.random(in: -20...12, using: &self), significand: 1)
                    * Float.random(in: 1..<2, using: &self)
            }
        }
    }
}

extension FloatingPointSign {
    fileprivate static func random(using generator: inout RandomNumbers) -> FloatingPointSign {
        Bool.random(using: &generator) ? .plus : .minus
    }
}
