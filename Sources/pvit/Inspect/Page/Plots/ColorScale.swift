import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A logarithmic scale of nine colours for positive numbers.
struct ColorScale {
    /// The number of colours.
    static let stepCount = 9

    /// The first letter of the colours' styles: `e` for errors, `s` for sensitivity.
    let prefix: String
    /// The smallest positive number.
    let minimum: Double
    /// The largest number.
    let maximum: Double

    /// Creates a scale from the smallest to the largest positive number; nil if there is none.
    init?(of values: [Double], prefix: String) {
        let positive = values.filter { $0 > 0 && $0.isFinite }
        guard let minimum = positive.min(), let maximum = positive.max() else { return nil }
        self.prefix = prefix
        self.minimum = minimum
        self.maximum = maximum
    }

    /// The step of a number, 0 to 8; nil for 0.
    func step(_ value: Double) -> Int? {
        guard value > 0 else { return nil }
        let range = log(maximum) - log(minimum)
        guard range > 1e-9 else { return Self.stepCount / 2 }
        let share = (log(value) - log(minimum)) / range
        return min(max(Int(share * Double(Self.stepCount)), 0), Self.stepCount - 1)
    }

    /// The number at a place of the scale, from 0 (the smallest) to 1.
    func value(at share: Double) -> Double { exp(log(minimum) + share * (log(maximum) - log(minimum))) }

    /// The style of a colour.
    func style(_ step: Int) -> String { "\(prefix)\(step)" }

    /// The style of text on a colour.
    static func inkStyle(_ step: Int?) -> String { (step ?? 0) >= 5 ? "high" : "low" }

    /// Draws the colours from left to right, with numbers below.
    func drawLegend(x: Double, y: Double, width: Double, in drawing: inout Drawing) {
        let step = width / Double(Self.stepCount)
        for index in 0..<Self.stepCount {
            drawing.rectangle(x: x + Double(index) * step, y: y, width: step, height: 8, style: style(index))
        }
        drawing.text(significant(minimum), x: x, y: y + 21, style: "soft")
        guard maximum > minimum else { return }
        drawing.text(significant(value(at: 0.5)), x: x + width / 2, y: y + 21, style: "soft middle")
        drawing.text(significant(maximum), x: x + width, y: y + 21, style: "soft end")
    }
}
