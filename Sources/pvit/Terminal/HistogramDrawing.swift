import Storage

/// A histogram drawn with bars.
struct HistogramDrawing {
    private let counts: [Int]
    private let range: ClosedRange<Double>
    private static let eighths: [Character] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"]

    /// Creates a histogram of bins of equal width that cover `range`.
    init(counts: [Int], range: ClosedRange<Double>) {
        self.counts = counts
        self.range = range
    }

    /// A line for each bin: its lower bound, its bar and its count.
    func text(width: Int) -> String {
        let largest = counts.max() ?? 0
        let step = (range.upperBound - range.lowerBound) / Double(max(counts.count, 1))
        let labels = counts.indices.map { significant(range.lowerBound + Double($0) * step) }
        let labelWidth = labels.map(\.count).max() ?? 0
        return zip(labels, counts).map { label, count in
            let length = largest == 0 ? 0 : Int((Double(count) / Double(largest) * Double(width * 8)).rounded(.up))
            let whole = String(repeating: Self.eighths[8], count: length / 8)
            let rest = length % 8 == 0 ? "" : String(Self.eighths[length % 8])
            let padding = String(repeating: " ", count: labelWidth - label.count)
            return "  \(padding)\(label) │\(whole)\(rest) \(count)\n"
        }.joined()
    }
}

/// A number with about four significant digits.
func significant(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let magnitude = abs(value)
    if magnitude == 0 { return "0" }
    if magnitude >= 1e6 || magnitude < 1e-5 {
        var exponent = 0
        var mantissa = value
        while abs(mantissa) >= 10 {
            mantissa /= 10
            exponent += 1
        }
        while abs(mantissa) < 1 {
            mantissa *= 10
            exponent -= 1
        }
        return "\(mantissa.formatted(decimals: 3))e\(exponent)"
    }
    var decimals = 3
    var bound = 1.0
    while magnitude < bound, decimals < 8 {
        bound /= 10
        decimals += 1
    }
    return value.formatted(decimals: magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : decimals)
}
