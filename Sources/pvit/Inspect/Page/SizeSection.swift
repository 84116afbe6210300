import Storage

/// The sizes of the components, by type.
enum SizeSection {
    /// The section on one model.
    static func html(_ model: PageModel) -> String { html([model], table: table(model)) }

    /// The section on some models, with a table beside the plot.
    static func html(_ models: [PageModel], table: String) -> String {
        let reports = models.map(\.report)
        let colors = TypeColors(reports.flatMap { $0.tensors.map(\.encoding) })
        let plot = SizePlot(of: reports, colors: colors).html(
            name: "sizes", titles: models.count > 1 ? models.map(\.label) : [])
        return HTML.section("Size by component", HTML.sideBySide([plot, table]))
    }

    private static func table(_ model: PageModel) -> String {
        let totals = model.report.components.map { ($0.component.rawValue, $0.total) }
        let rows = (totals + [("all weights", model.report.parameters)]).map { title, total in
            [
                title, total.encodings.joined(separator: " "), countText(total.elements),
                total.bitsPerWeight?.formatted(decimals: 2) ?? "-", "\(ByteCount(total.storedBytes))",
                errorText(total.statistics),
            ]
        }
        return HTML.table(
            "stored size, and error of the weights",
            [
                .text("component"), .text("encoding"), .number("parameters"), .number("bits/weight"),
                .number("stored"), .number("relative RMSE"),
            ], rows)
    }
}
