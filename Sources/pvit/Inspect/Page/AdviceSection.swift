import Conversion
import Storage

/// Which matrices would gain most as q8, and which would lose least as q4.
enum AdviceSection {
    private static let rowCount = 15

    static func html(_ report: ModelReport) -> String {
        guard report.changes.isEmpty else { return "" }
        let advice = report.typeAdvice
        return HTML.section(
            "Where more bits would help most", introduction(advice, hasSensitivity: report.sensitivity != nil),
            HTML.sideBySide([
                [advice.map(upgrades) ?? "", advice.map(downgrades) ?? ""].filter { !$0.isEmpty }.joined(
                    separator: "\n"),
                advice.flatMap { SavingsPlot(of: $0, bitsPerWeight: report.parameters.bitsPerWeight) }?
                    .html(name: "savings") ?? "",
            ]))
    }

    private static func introduction(_ advice: TypeAdvice?, hasSensitivity: Bool) -> String {
        guard hasSensitivity else {
            let missing =
                "The file does not record how much the predictions depend on each matrix; pvit quantize --bits "
                + "measures and records it."
            let ranking =
                advice?.upgrades.isEmpty == false
                ? " Below, matrices are ranked by their share of the squared error of all weights, for each byte that "
                    + "q8 would take more. That says little about what the predictions lose." : ""
            return HTML.paragraph(missing + ranking)
        }
        return HTML.paragraph(
            "The figures are what the file records for one matrix at a time. What q8 itself loses is taken as zero, and "
                + "the divergences of several matrices do not add up exactly. The curve shows the sum for those that are "
                + "still in q4 if the others become q8 in this order.")
    }

    private static func upgrades(_ advice: TypeAdvice) -> String {
        guard !advice.upgrades.isEmpty else { return "" }
        let isDivergence = advice.basis == .divergence
        let rows = advice.upgrades.prefix(rowCount).enumerated().map { index, change in
            [
                "\(index + 1)", change.name.rawValue,
                isDivergence ? significant(change.value) : percent(change.value), "\(ByteCount(change.byteCount))",
                significant(change.valuePerByte * (isDivergence ? 1e6 : 1e8)),
                change.bitsPerWeight.formatted(decimals: 3),
            ]
        }
        return HTML.table(
            "matrices now in q4: what q8 would save (\(min(rowCount, advice.upgrades.count)) of "
                + "\(advice.upgrades.count))",
            [
                .number("rank"), .text("matrix"), .number(isDivergence ? "divergence" : "share of error"),
                .number("more bytes"), .number(isDivergence ? "nats per MB" : "% per MB"),
                .number("bits/weight then"),
            ], rows)
    }

    private static func downgrades(_ advice: TypeAdvice) -> String {
        guard !advice.downgrades.isEmpty else { return "" }
        let rows = advice.downgrades.prefix(rowCount).enumerated().map { index, change in
            [
                "\(index + 1)", change.name.rawValue, significant(change.value), "\(ByteCount(change.byteCount))",
                significant(change.valuePerByte * 1e6), change.bitsPerWeight.formatted(decimals: 3),
            ]
        }
        return HTML.table(
            "matrices now in q8: what q4 would cost (\(min(rowCount, advice.downgrades.count)) of "
                + "\(advice.downgrades.count))",
            [
                .number("rank"), .text("matrix"), .number("divergence"), .number("fewer bytes"),
                .number("nats per MB"), .number("bits/weight then"),
            ], rows)
    }
}
