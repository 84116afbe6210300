import Conversion
import Storage
import Tensors

extension ModelReport {
    /// The report on a model as a single HTML page without scripts and external resources.
    static func page(of model: InspectedModel) -> String {
        let report = model.report
        let page = PageModel(model)
        return HTML.page(
            title: report.path,
            [
                report.header, SizeSection.html(page), LayersSection.html([page]), AdviceSection.html(report),
                WeightsSection.html([page]), report.changesSection,
                HTML.section("Tensors", HTML.details("\(report.tensors.count) tensors", report.tensorsTable)),
                HTML.section("Files", report.sourcesTable),
            ])
    }

    private var header: String {
        let problem = cannotRun.map { "cannot run: \($0)" }
        let sentences = [problem].compactMap(\.self) + notes.filter { $0 != cannotRun }
        return
            ([
                "<h1>\(HTML.escaped(path))</h1>", HTML.paragraph("\(format), \(ByteCount(fileBytes))", style: "soft"),
                sentences.map { HTML.paragraph($0, style: "note") }.joined(separator: "\n"), HTML.figures(figures),
                HTML.definitions(facts),
            ]).filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The totals of all weights.
    private var figures: [Fact] {
        let total = parameters
        return [
            Fact(name: "parameters", value: countText(total.elements)),
            Fact(name: "stored weights", value: "\(ByteCount(total.storedBytes))"),
            Fact(name: "bits per weight", value: total.bitsPerWeight?.formatted(decimals: 2) ?? "-"),
            Fact(name: "relative RMSE", value: errorText(total.statistics)),
        ]
    }

    private var changesSection: String {
        guard !changes.isEmpty else { return "" }
        return HTML.section(
            "Change by layer",
            HTML.table(
                "change relative to the base",
                Self.changeTitles.enumerated().map { $0 == 0 ? .text($1) : .number($1) }, changeRows))
    }

    private var tensorsTable: String {
        let rows = tensors.map { tensor in
            let isAlias = tensor.aliasOf != nil
            return [
                tensor.name.rawValue, "\(tensor.shape)", tensor.aliasOf.map { "= \($0)" } ?? tensor.encoding,
                isAlias ? "-" : Total([tensor]).bitsPerWeight?.formatted(decimals: 2) ?? "-",
                isAlias ? "-" : "\(ByteCount(tensor.storedBytes))", errorText(tensor.statistics),
                tensor.statistics.map { significant($0.maximumError) } ?? "-",
            ]
        }
        return HTML.table(
            "all tensors in the order of the file",
            [
                .text("tensor"), .text("shape"), .text("encoding"), .number("bits/weight"), .number("stored"),
                .number("relative RMSE"), .number("max error"),
            ], rows)
    }

    private var sourcesTable: String {
        guard !sources.isEmpty else { return "" }
        return HTML.table(
            "files that the model was made from, or consists of",
            [.text("file"), .text("of"), .number("size"), .text("SHA-256")],
            sources.map { [$0.path, $0.role ?? "-", "\(ByteCount($0.bytes))", $0.sha256 ?? "-"] })
    }
}
