import Conversion
import Storage

extension ModelComparison {
    /// A comparison as a single HTML page without scripts and external resources.
    static func page(of a: InspectedModel, _ b: InspectedModel) -> String {
        let comparison = ModelComparison(a.report, b.report)
        let models = [PageModel(a, label: "A"), PageModel(b, label: "B")]
        let title = "\(a.report.path) and \(b.report.path)"
        return HTML.page(
            title: title,
            [
                "<h1>\(HTML.escaped(title))</h1>", HTML.paragraph(comparison.sameWeightsText),
                comparison.overview.html("what both are; of other properties, those that differ", wraps: true),
                SizeSection.html(
                    models, table: comparison.componentTable.html("stored size, and error of the weights")),
                LayersSection.html(models), WeightsSection.html(models), comparison.tensorsSection,
            ])
    }

    private var tensorsSection: String {
        let table = tensorTable(limit: nil)
        return HTML.section(
            "Tensors", HTML.paragraph(tensorCounts + "."),
            table.map { HTML.details("\($0.rows.count) tensors that differ", $0.html("largest differences first")) }
                ?? "")
    }
}
