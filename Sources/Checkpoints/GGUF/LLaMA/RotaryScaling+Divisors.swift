import Architectures

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// GGUF files store the divisors of LLaMA 3's rotary frequencies, not the numbers that they are computed from.
extension RotaryParameters.Scaling {
    /// The divisor of each frequency of heads of `width` channels: [width / 2].
    package func divisors(width: Int, theta: Double) -> [Float] {
        (0..<width / 2).map { index in
            let frequency = 2 * Double.pi / Self.wavelength(index, width: width, theta: theta)
            return Float(frequency / scaled(frequency))
        }
    }

    /// How many positions a full turn of the frequency at an index takes.
    private static func wavelength(_ index: Int, width: Int, theta: Double) -> Double {
        2 * Double.pi * pow(theta, Double(2 * index) / Double(width))
    }

    /// How far divisors may be off that other programs computed in single precision.
    private static let tolerances: [Float] = [2e-6, 1e-4]

    /// Finds LLaMA 3's scaling with these divisors; nil if there is none.
    ///
    /// Several may have the same divisors: the three lengths of context that the factors stand for count only relative
    /// to each other, and bounds between two wavelengths not at all. The published numbers come first, then other
    /// powers of two as the original context length, then what the divisors themselves say.
    ///
    /// - Parameter divisors: The divisor of each frequency.
    package init?(divisors: [Float], theta: Double) {
        guard let last = divisors.last, last > 1, divisors.allSatisfy({ $0.isFinite && $0 >= 1 }) else { return nil }
        let table = DivisorTable(divisors, theta: theta)
        let lengths = [8192] + (8...24).map { Double(1 << $0) }
        let bounds = lengths.map { Bounds(length: $0) } + table.fittingBounds
        for tolerance in Self.tolerances {
            for bounds in bounds {
                for factor in table.possibleFactors(within: bounds) {
                    let scaling = Self.llama3(
                        factor: factor, lowFactor: 1, highFactor: bounds.high, originalPositions: bounds.length)
                    let expected = scaling.divisors(width: divisors.count * 2, theta: theta)
                    guard zip(expected, divisors).allSatisfy({ abs($0 - $1) <= tolerance * $0 }) else { continue }
                    self = scaling
                    return
                }
            }
        }
        return nil
    }

    /// Where scaling begins and ends: at wavelengths of `length / high`, and of `length`.
    private struct Bounds {
        var length: Double
        var high = 4.0

        /// The share of a frequency that is kept.
        func share(_ wavelength: Double) -> Double { min(max((length / wavelength - 1) / (high - 1), 0), 1) }
    }

    /// The divisors with the wavelengths that they belong to, from short to long.
    private struct DivisorTable {
        let points: [(wavelength: Double, divisor: Double)]

        init(_ divisors: [Float], theta: Double) {
            points = divisors.enumerated().map { index, divisor in
                (RotaryParameters.Scaling.wavelength(index, width: divisors.count * 2, theta: theta), Double(divisor))
            }
        }

        /// The factor that the longest wavelength implies, rounded to a whole number or as it is.
        func possibleFactors(within bounds: Bounds) -> [Double] {
            guard let last = points.last else { return [] }
            let share = bounds.share(last.wavelength)
            guard share < 1 else { return [] }
            let inverse = (1 / last.divisor - share) / (1 - share)
            guard inverse > 0, inverse < 1 else { return [] }
            let factor = 1 / inverse
            return [factor.rounded(), factor].filter { $0 > 1 && abs($0 - factor) < 1e-2 * factor }
        }

        /// Bounds that the divisors between 1 and the factor imply: their inverses grow evenly with the frequency.
        var fittingBounds: [Bounds] {
            guard let last = points.last else { return [] }
            // The factor itself is there if two wavelengths have it.
            let isComplete = points.count > 1 && points[points.count - 2].divisor == last.divisor
            let kept = points.last { $0.divisor == 1 }
            let scaled = isComplete ? points.first { $0.divisor == last.divisor } : nil
            let between = points.filter { $0.divisor > 1 && !(isComplete && $0.divisor == last.divisor) }
            var result: [Bounds] = []
            if let first = between.first, let end = between.last {
                if isComplete {
                    func share(_ point: (wavelength: Double, divisor: Double)) -> Double {
                        (1 / point.divisor - 1 / last.divisor) / (1 - 1 / last.divisor)
                    }
                    if between.count > 1 {
                        let slope = (share(first) - share(end)) / (1 / first.wavelength - 1 / end.wavelength)
                        let start = slope / first.wavelength - share(first)
                        result += [(1 + 1 / start).rounded(), 1 + 1 / start].map { high in
                            Bounds(length: end.wavelength * (1 + share(end) * (high - 1)), high: high)
                        }
                    }
                    result.append(Bounds(length: first.wavelength * (1 + share(first) * 3)))
                } else if between.count > 1 {
                    let slope =
                        (1 / first.divisor - 1 / end.divisor) / (1 / first.wavelength - 1 / end.wavelength)
                    let start = 1 / first.divisor - slope / first.wavelength
                    result.append(Bounds(length: 3 * slope / (1 - (3 * start + 1) / 4)))
                } else if let kept {
                    result.append(Bounds(length: 4 * kept.wavelength))
                }
            } else if let scaled, let kept {
                result.append(Bounds(length: scaled.wavelength, high: scaled.wavelength / kept.wavelength))
            }
            // Lengths are whole numbers of tokens where the divisors allow it.
            return result.flatMap { bounds in [Bounds(length: bounds.length.rounded(), high: bounds.high), bounds] }
                .filter { $0.length > 0 && $0.length.isFinite && $0.high > 1 && $0.high.isFinite }
        }
    }
}
