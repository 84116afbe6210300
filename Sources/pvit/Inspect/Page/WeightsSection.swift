import Conversion
import Quantization
import Storage

/// How weights are distributed over the levels of q4's codebook, for each kind of matrix.
enum WeightsSection {
    static func html(_ models: [PageModel]) -> String {
        let kinds = MatrixKind.all.filter { kind in models.contains { sample(kind, of: $0) != nil } }
        return HTML.section(
            "Weights and the q4 codebook", models.map(introduction).joined(separator: "\n"),
            plots(
                models, kinds, name: "codes",
                explanation:
                    "Codes of matrices in q4: how often each level occurs, in plain blocks (blue) and in shifted "
                    + "ones (orange, 5 higher).",
                bars: { $0.codes.count > 0 ? CodebookPlot.bars(of: $0.codes) : nil }),
            plots(
                models, kinds, name: "blocks",
                explanation:
                    "Other matrices: weights relative to the largest in their block of 16, which becomes 127 or "
                    + "-127. The vertical lines are the levels that q4 would round to; how close they are to each other "
                    + "where weights are frequent shows how well q4 would fit. Bars that are cut off carry their share.",
                bars: { $0.blocks.count > 0 ? CodebookPlot.bars(of: $0.blocks) : nil }),
            models.map(summary).joined(separator: "\n"),
            models.map { model in
                codesTable(model) + blocksTable(model)
            }.joined(separator: "\n"))
    }

    private static func sample(_ kind: MatrixKind, of model: PageModel) -> WeightSample? {
        model.samples.kinds.first { $0.kind == kind }?.sample
    }

    private static func introduction(_ model: PageModel) -> String {
        let samples = model.samples
        var text = ""
        if samples.totalCount > 0 {
            let share =
                samples.sampledCount == samples.totalCount
                ? "All \(countText(samples.totalCount)) weights of the matrices were read."
                : "\(countText(samples.sampledCount)) of \(countText(samples.totalCount)) weights were read, in rows "
                    + "spread over each matrix."
            text = HTML.paragraph(model.title(share), style: "soft")
        }
        guard let problem = samples.problem else { return text }
        let what = samples.totalCount > 0 ? "Reading the weights stopped" : "The weights were not read"
        return text + HTML.paragraph(model.title("\(what): \(problem)"), style: "note")
    }

    /// A plot for each kind, and each model beside the other. All have the same axes.
    private static func plots(
        _ models: [PageModel], _ kinds: [MatrixKind], name: String, explanation: String,
        bars: (WeightSample) -> [CodebookPlot.Bar]?
    ) -> String {
        let panels = kinds.flatMap { kind in
            models.compactMap { model -> (kind: MatrixKind, model: PageModel, bars: [CodebookPlot.Bar])? in
                sample(kind, of: model).flatMap(bars).map { (kind, model, $0) }
            }
        }
        guard !panels.isEmpty else { return "" }
        let top = CodebookPlot.top(of: panels.map(\.bars))
        let drawings = panels.map { panel in
            CodebookPlot(bars: panel.bars, largestShare: top).html(
                name: panel.model.name("\(name)-\(panel.kind.title.replacingSpaces)"),
                title: panel.model.title(panel.kind.title))
        }
        // If both models have some, a kind takes a row.
        let rows =
            Set(panels.map(\.model.label)).count > 1
            ? kinds.map { kind in zip(panels, drawings).filter { $0.0.kind == kind }.map(\.1) } : [drawings]
        return HTML.paragraph(explanation) + "\n" + rows.map(HTML.sideBySide).joined(separator: "\n")
    }

    private static func summary(_ model: PageModel) -> String {
        guard !model.samples.kinds.isEmpty else { return "" }
        let rows = model.samples.kinds.map { kind, sample in
            [
                kind.title, countText(sample.sampledCount), countText(sample.totalCount),
                sample.codes.indexEntropy.map { $0.formatted(decimals: 3) } ?? "-",
                sample.codes.shiftedShare.map(percent) ?? "-",
                "\(sample.codes.zeroBlocks + sample.blocks.zeroBlocks)", "\(sample.blocks.notFiniteBlocks)",
            ]
        }
        return HTML.table(
            model.title("what was read; the entropy of q4's codes is at most 4 bits"),
            [
                .text("kind"), .number("weights read"), .number("of"), .number("entropy of codes"),
                .number("in shifted blocks"), .number("blocks of zeros"), .number("blocks not finite"),
            ], rows)
    }

    private static func codesTable(_ model: PageModel) -> String {
        let kinds = model.samples.kinds.filter { $0.sample.codes.count > 0 }
        guard !kinds.isEmpty else { return "" }
        let bars = kinds.map { CodebookPlot.bars(of: $0.sample.codes) }
        let rows = Q4Codebook.levels.indices.flatMap { index in
            [("plain", 2 * index), ("shifted", 2 * index + 1)].map { shift, bar in
                ["\(index)", shift, "\(bars[0][bar].value)"] + bars.map { percent($0[bar].share) }
            }
        }
        return HTML.details(
            model.title("Codes as a table"),
            HTML.table(
                "share of the codes",
                [.number("code"), .text("block"), .number("value")] + kinds.map { .number($0.kind.title) }, rows))
    }

    private static func blocksTable(_ model: PageModel) -> String {
        let kinds = model.samples.kinds.filter { $0.sample.blocks.count > 0 }
        guard !kinds.isEmpty else { return "" }
        let bars = kinds.map { CodebookPlot.bars(of: $0.sample.blocks) }
        let rows = BlockHistogram.centers.indices.map { bin in
            ["\(BlockHistogram.centers[bin])"] + bars.map { percent($0[bin].share) }
        }
        return HTML.details(
            model.title("Relative weights as a table"),
            HTML.table(
                "share of the weights around each value, ± \(BlockHistogram.binWidth / 2)",
                [.number("value")] + kinds.map { .number($0.kind.title) }, rows))
    }
}

extension String {
    /// The text with hyphens for spaces.
    fileprivate var replacingSpaces: String { String(map { $0 == " " ? "-" : $0 }) }
}
