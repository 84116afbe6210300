import Quantization
import Storage

/// How often weights have each value between −127 and 127, beside the levels of q4's codebook.
struct CodebookPlot {
    /// A bar at a value, in units of the codebook.
    struct Bar {
        let value: Int
        /// The share of the weights.
        let share: Double
        let style: String
    }

    let bars: [Bar]
    /// The top of the vertical axis.
    let largestShare: Double
    private static let (left, right, top, height) = (34.0, 8.0, 30.0, 96.0)
    private static let span = 132.0

    /// The stored codes of q4, as unshifted and shifted levels.
    static func bars(of codes: Q4CodeCounts) -> [Bar] {
        let total = Double(max(codes.count, 1))
        return Q4Codebook.levels.indices.flatMap { index in
            let level = Q4Codebook.levels[index]
            return [
                Bar(value: level, share: Double(codes.plain[index]) / total, style: "bar"),
                Bar(
                    value: level + Q4Codebook.shift, share: Double(codes.shifted[index]) / total, style: "bar-shifted"),
            ]
        }
    }

    /// The weights relative to the largest of their block.
    static func bars(of blocks: BlockHistogram) -> [Bar] {
        let total = Double(max(blocks.count, 1))
        return zip(BlockHistogram.centers, blocks.bins).map { center, count in
            Bar(value: center, share: Double(count) / total, style: "bar")
        }
    }

    /// The top of an axis for several plots. Bars at 0 and at the ends, which may be much taller than the others, are
    /// cut off.
    static func top(of plots: [[Bar]]) -> Double {
        let inside = plots.flatMap { $0.filter { $0.value != 0 && abs($0.value) != 128 } }
        let largest = plots.flatMap { $0.map(\.share) }.max() ?? 0
        let largestInside = inside.map(\.share).max() ?? 0
        return largestInside > 0 ? min(largest, 1.4 * largestInside) : largest
    }

    /// The plot.
    ///
    /// - Parameters:
    ///   - name: A name that no other drawing of the page has.
    ///   - title: Which weights these are.
    func html(name: String, title: String) -> String {
        let bottom = Self.top + Self.height
        let peak = bars.max { $0.share < $1.share }
        var drawing = Drawing(
            name: name, title: title,
            description: "Shares of weights between -127 and 127; "
                + "the most frequent value is \(peak?.value ?? 0), with \(percent(peak?.share ?? 0)).",
            height: bottom + 34)
        drawing.text(title, x: 0, y: 12, style: "title")
        for part in [0.5, 1] {
            let y = bottom - Self.height * part
            drawing.line(from: (Self.left, y), to: (Drawing.width - Self.right, y), style: "grid")
            drawing.text(percent(largestShare * part), x: Self.left - 4, y: y + 4, style: "soft small end")
        }
        for level in Q4Codebook.levels {
            let x = Self.x(level)
            drawing.line(from: (x, Self.top), to: (x, bottom), style: "grid")
            drawing.line(from: (x, bottom), to: (x, bottom + 6), style: "level")
        }
        let width = Self.x(BlockHistogram.binWidth) - Self.x(0) - 0.4
        for bar in bars where bar.share > 0 && largestShare > 0 {
            let height = min(bar.share / largestShare, 1) * Self.height
            drawing.rectangle(
                x: Self.x(bar.value) - width / 2, y: bottom - height, width: width, height: height, style: bar.style,
                hint: "\(bar.value): \(percent(bar.share))")
            if bar.share > largestShare {
                let style = bar.value < 0 ? "" : bar.value > 0 ? " end" : " middle"
                drawing.text(percent(bar.share), x: Self.x(bar.value), y: Self.top - 2, style: "soft small" + style)
            }
        }
        drawing.line(from: (Self.left, bottom), to: (Drawing.width - Self.right, bottom), style: "axis")
        for tick in [-127, -65, 1, 72, 121] {
            drawing.text("\(tick)", x: Self.x(tick), y: bottom + 18, style: "soft small middle")
        }
        return drawing.html
    }

    private static func x(_ value: Int) -> Double {
        left + (Double(value) + span) / (2 * span) * (Drawing.width - left - right)
    }
}

/// A share in per cent, with three digits.
func percent(_ share: Double) -> String {
    let value = share * 100
    return "\(value.formatted(decimals: value < 0.995 ? 2 : 1))%"
}
