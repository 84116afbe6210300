import Conversion
import Storage

/// Horizontal bars: the stored size of each component, by type, of one model or of two.
struct SizePlot {
    /// A component of a model.
    struct Bar {
        /// The sizes by type, in the order of the types' names.
        let sizes: [(type: String, byteCount: UInt64)]
        /// The size of all.
        var byteCount: UInt64 { sizes.reduce(0) { $0 + $1.byteCount } }

        init(_ rows: some Sequence<ModelReport.TensorRow>) {
            let sizes = rows.filter { $0.aliasOf == nil }.reduce(into: [String: UInt64]()) { sizes, row in
                sizes[row.encoding, default: 0] += row.storedBytes
            }
            self.sizes = sizes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }

    private let rows: [(component: ModelComponent, bars: [Bar])]
    private let colors: TypeColors
    private static let (labelWidth, barWidth) = (92.0, 178.0)

    /// Creates a plot of models, the first on top.
    init(of models: [ModelReport], colors: TypeColors) {
        rows = ModelComponent.allCases.compactMap { component in
            let bars = models.map { Bar($0.tensors.filter { $0.component == component }) }
            return bars.allSatisfy { $0.sizes.isEmpty } ? nil : (component, bars)
        }
        self.colors = colors
    }

    /// The plot; empty if there are no weights.
    ///
    /// - Parameters:
    ///   - name: A name that no other drawing of the page has.
    ///   - titles: The models' names, if there are two.
    func html(name: String, titles: [String] = []) -> String {
        guard !rows.isEmpty else { return "" }
        let all = rows.flatMap(\.bars)
        let largest = all.map(\.byteCount).max() ?? 0
        let types = colors.types.filter { type in all.contains { $0.sizes.contains { $0.type == type } } }
        let barsInRow = Double(rows.first?.bars.count ?? 1)
        let (barHeight, gap) = barsInRow > 1 ? (11.0, 9.0) : (15.0, 8.0)
        let rowHeight = barsInRow * (barHeight + 1) + gap
        let bottom = Double(rows.count) * rowHeight + 4
        var drawing = Drawing(
            name: name, title: "Stored size by component",
            description: rows.map { row in
                "\(row.component.rawValue): \(row.bars.map { "\(ByteCount($0.byteCount))" }.joined(separator: " and "))"
            }.joined(separator: "; "), height: bottom + 8 + Double(colors.legendLines(types)) * 16)
        for (index, row) in rows.enumerated() {
            let top = Double(index) * rowHeight + 2
            let middle = top + barsInRow * (barHeight + 1) / 2
            drawing.text(row.component.rawValue, x: Self.labelWidth - 8, y: middle + 4, style: "end")
            for (number, bar) in row.bars.enumerated() {
                let y = top + Double(number) * (barHeight + 1)
                var x = Self.labelWidth
                for (type, byteCount) in bar.sizes {
                    let width = largest > 0 ? Double(byteCount) / Double(largest) * Self.barWidth : 0
                    let model = titles.count > number ? "\(titles[number]), " : ""
                    drawing.rectangle(
                        x: x, y: y, width: max(width, 0.5), height: barHeight, style: colors.style(type),
                        hint: "\(model)\(row.component.rawValue), \(type): \(ByteCount(byteCount))")
                    x += width
                }
                drawing.text(
                    "\(titles.count > number ? "\(titles[number]) " : "")\(ByteCount(bar.byteCount))", x: x + 4,
                    y: y + barHeight - 2, style: barsInRow > 1 ? "soft small" : "soft")
            }
        }
        drawing.line(from: (Self.labelWidth, 0), to: (Self.labelWidth, bottom - gap + 4), style: "axis")
        colors.drawLegend(types, y: bottom + 2, in: &drawing)
        return drawing.html
    }
}
