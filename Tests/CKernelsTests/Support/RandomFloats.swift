import TestSupport

extension RepeatableRandom {
    /// Floats in `range`.
    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        let width = range.upperBound - range.lowerBound
        return (0..<count).map { _ in range.lowerBound + width * Float(next() >> 40) * 0x1p-24 }
    }

    /// Bytes of every value.
    mutating func bytes(_ count: Int) -> [UInt8] {
        var words: [UInt64] = []
        while words.count * 8 < count { words.append(next()) }
        return words.withUnsafeBytes { Array(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
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
    fileprivate static func random(using generator: inout RepeatableRandom) -> FloatingPointSign {
        Bool.random(using: &generator) ? .plus : .minus
    }
}
