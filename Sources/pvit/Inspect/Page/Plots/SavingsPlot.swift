import Conversion
import Storage

/// The divergence that is left when more and more matrices become q8, in the order of the advice: it tells where more
/// bits stop helping.
struct SavingsPlot {
    /// The bits per weight, and the sum of the divergences of the matrices that are still in q4.
    private let points: [(bits: Double, divergence: Double)]
    private static let (left, right, top, height) = (44.0, 14.0, 24.0, 150.0)

    /// Creates a plot; nil unless the advice is based on divergence.
    ///
    /// - Parameter bitsPerWeight: Those of the file.
    init?(of advice: TypeAdvice, bitsPerWeight: Double?) {
        guard advice.basis == .divergence, let bitsPerWeight, !advice.upgrades.isEmpty else { return nil }
        var left = advice.upgrades.reduce(0) { $0 + $1.value }
        points =
            [(bitsPerWeight, left)]
            + advice.upgrades.map { change in
                left -= change.value
                return (change.bitsPerWeight, max(left, 0))
            }
    }

    /// The plot.
    func html(name: String) -> String {
        guard let first = points.first, let last = points.last, first.divergence > 0, last.bits > first.bits else {
            return ""
        }
        let bottom = Self.top + Self.height
        let right = Drawing.width - Self.right
        var drawing = Drawing(
            name: name, title: "Divergence left in q4, in nats",
            description: "The sum of the divergences falls from \(significant(first.divergence)) at "
                + "\(first.bits.formatted(decimals: 2)) bits per weight to 0 at \(last.bits.formatted(decimals: 2)).",
            height: bottom + 36)
        drawing.text(drawing.title, x: 0, y: 12, style: "title")
        for part in [0.25, 0.5, 0.75, 1] {
            let y = bottom - Self.height * part
            drawing.line(from: (Self.left, y), to: (right, y), style: "grid")
            drawing.text(
                significant(first.divergence * part), x: Self.left - 4, y: y + 4, style: "soft small end")
        }
        func place(_ point: (bits: Double, divergence: Double)) -> (x: Double, y: Double) {
            let share = (point.bits - first.bits) / (last.bits - first.bits)
            return (
                Self.left + share * (right - Self.left), bottom - point.divergence / first.divergence * Self.height
            )
        }
        drawing.curve(points.map(place), style: "curve")
        drawing.line(from: (Self.left, bottom), to: (right, bottom), style: "axis")
        for part in [0.0, 0.25, 0.5, 0.75, 1] {
            let x = Self.left + part * (right - Self.left)
            drawing.line(from: (x, bottom), to: (x, bottom + 4), style: "axis")
            drawing.text(
                (first.bits + part * (last.bits - first.bits)).formatted(decimals: 2), x: x, y: bottom + 16,
                style: "soft small middle")
        }
        drawing.text("bits per weight", x: (Self.left + right) / 2, y: bottom + 31, style: "soft middle")
        return drawing.html
    }
}
