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
