import Conversion
import Storage
import Tensors

/// Errors and sensitivities of the decoder's layers, by kind of matrix.
enum LayersSection {
    static func html(_ models: [PageModel]) -> String {
        let errors = models.map { model in LayerGrid(of: model.report) { $0.statistics?.relativeRMSE } }
        let sensitivities = models.map { model in
            LayerGrid(of: model.report) { model.report.sensitivity?.divergences[$0.name] }
        }
        guard errors.contains(where: { !$0.layers.isEmpty }) else { return "" }
        let errorMaps = maps(models, errors, prefix: "e", name: "errors", title: "Relative error")
        let sensitivityMaps = maps(
            models, sensitivities, prefix: "s", name: "sensitivities", title: "Divergence as q4 alone, in nats")
        let kinds = models.map { table(of: $0) }
        let content =
            models.count == 1
            ? HTML.sideBySide(errorMaps + sensitivityMaps + kinds)
            : [errorMaps, sensitivityMaps, kinds].map(HTML.sideBySide).joined(separator: "\n")
        let hasMaps = !errorMaps.isEmpty || !sensitivityMaps.isEmpty
        return HTML.section(
            "Layers", introduction(errors, sensitivities, hasMaps: hasMaps), content,
            details(models, errors, "Errors as a table", "relative RMSE and type"),
            details(models, sensitivities, "Sensitivities as a table", "divergence in nats, and type"))
    }

    private static func introduction(
        _ errors: [LayerGrid], _ sensitivities: [LayerGrid], hasMaps: Bool
    ) -> String {
        var sentences: [String] = []
        if errors.contains(where: { !$0.values.isEmpty }) {
            sentences.append(
                "The relative error is the root mean square error of a matrix's weights over the root mean square of "
                    + "the weights.")
        } else {
            sentences.append("No errors of weights are recorded.")
        }
        if sensitivities.contains(where: { !$0.values.isEmpty }) {
            sentences.append(
                "The divergence is the mean Kullback-Leibler divergence of the model's predictions if that matrix "
                    + "alone is stored as q4.")
        }
        if hasMaps { sentences.append("Each cell names the type in the file.") }
        return HTML.paragraph(sentences.joined(separator: " "), style: "soft")
    }

    /// A heat map for each model, on the same scale. None if no model has numbers and each has one type.
    private static func maps(
        _ models: [PageModel], _ grids: [LayerGrid], prefix: String, name: String, title: String
    ) -> [String] {
        let scale = ColorScale(of: grids.flatMap(\.values), prefix: prefix)
        let showsTypes = prefix == "e" && grids.contains { $0.types.count > 1 }
        guard scale != nil || showsTypes || grids.contains(where: { !$0.values.isEmpty }) else { return [] }
        return zip(models, grids).map { model, grid in
            HeatMap(grid: grid, scale: scale).html(
                name: model.name(name), title: model.title(scale == nil && showsTypes ? "Types" : title))
        }
    }

    /// The totals of each kind of matrix over all layers.
    private static func table(of model: PageModel) -> String {
        let report = model.report
        let rows = MatrixKind.inLayer.compactMap { kind -> [String]? in
            let matrices = report.tensors.filter { $0.isWeight && MatrixKind.inLayer($0.name)?.kind == kind }
            guard !matrices.isEmpty else { return nil }
            let total = ModelReport.Total(matrices)
            let divergences = matrices.compactMap { report.sensitivity?.divergences[$0.name] }
            var cells = [
                kind.shortTitle, total.encodings.joined(separator: " "), "\(ByteCount(total.storedBytes))",
                errorText(total.statistics),
            ]
            if report.sensitivity != nil {
                cells.append(divergences.isEmpty ? "-" : significant(divergences.reduce(0, +)))
            }
            return cells
        }
        guard !rows.isEmpty else { return "" }
        return HTML.table(
            model.title(
                "each kind of matrix over all layers" + (report.sensitivity == nil ? "" : ", divergences added up")),
            [.text("kind"), .text("encoding"), .number("stored"), .number("relative RMSE")]
                + (report.sensitivity == nil ? [] : [.number("divergence")]), rows)
    }

    private static func details(
        _ models: [PageModel], _ grids: [LayerGrid], _ summary: String, _ caption: String
    ) -> String {
        guard grids.contains(where: { !$0.values.isEmpty }) else { return "" }
        let tables = zip(models, grids).map { $1.table($0.title(caption)) }
        return HTML.details(summary, tables.joined(separator: "\n"))
    }
}
