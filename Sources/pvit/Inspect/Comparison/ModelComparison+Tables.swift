import Conversion
import Storage
import Tensors

/// The tables of a comparison, the same as text and in HTML.
extension ModelComparison {
    /// A table: its columns, those of numbers marked, and its cells.
    struct Table {
        let columns: [(title: String, isNumber: Bool)]
        let rows: [[String]]

        /// The table as text.
        var text: String {
            var table = TextTable(columns.map { ($0.title, $0.isNumber ? .right : .left) })
            for row in rows { table.add(row) }
            return table.text
        }

        /// The table for a page.
        func html(_ caption: String, wraps: Bool = false) -> String {
            HTML.table(caption, columns.map { HTML.Column(title: $0.title, isNumber: $0.isNumber) }, rows, wraps: wraps)
        }
    }

    /// What both are.
    var overview: Table {
        func row(_ name: String, _ value: (ModelReport) -> String) -> [String] { [name, value(a), value(b)] }
        return Table(
            columns: [("", false), ("A", false), ("B", false)],
            rows: [
                row("model") { $0.path }, row("format") { $0.format }, row("size") { "\(ByteCount($0.fileBytes))" },
                row("parameters") { countText($0.parameters.elements) },
                row("bits per weight") { $0.parameters.bitsPerWeight?.formatted(decimals: 2) ?? "-" },
                row("relative RMSE") { errorText($0.parameters.statistics) },
            ] + differences.map { [$0.name, $0.a ?? "-", $0.b ?? "-"] })
    }

    /// Whether the weights are the same, in a sentence.
    var sameWeightsText: String {
        switch sameWeights {
        case .same: return "The weights are the same."
        case .unknown: return "The files do not tell whether the weights are the same."
        case .different:
            let known = pairs.compactMap(\.hasSameWeights)
            let same = known.filter(\.self).count
            return known.isEmpty
                ? "The weights differ."
                : "The weights differ: \(same) of the \(pairs.count) tensors in both are the same."
        }
    }

    /// Type, size and error of each component.
    var componentTable: Table {
        let rows =
            components.map { ($0.component.rawValue, $0.a, $0.b) } + [("all weights", a.parameters, b.parameters)]
        return Table(
            columns: [
                ("component", false), ("A", false), ("B", false), ("A stored", true), ("B stored", true),
                ("B - A", true), ("A RMSE", true), ("B RMSE", true), ("B - A", true),
            ],
            rows: rows.map { title, a, b in
                [
                    title, a?.encodings.joined(separator: " ") ?? "-", b?.encodings.joined(separator: " ") ?? "-",
                    a.map { "\(ByteCount($0.storedBytes))" } ?? "-", b.map { "\(ByteCount($0.storedBytes))" } ?? "-",
                    sizeDifferenceText(a?.storedBytes ?? 0, b?.storedBytes ?? 0), errorText(a?.statistics),
                    errorText(b?.statistics), errorDifferenceText(difference(a?.statistics, b?.statistics)),
                ]
            })
    }

    /// How many tensors differ in what.
    var tensorCounts: String {
        let types = pairs.count { $0.a.encoding != $0.b.encoding }
        let shapes = pairs.count { $0.a.shape != $0.b.shape }
        let errors = pairs.count { ($0.errorDifference ?? 0) != 0 }
        return "\(pairs.count) tensors in both: \(types) with other types, \(shapes) with other shapes, \(errors) with "
            + "other errors; \(onlyInA.count) only in A, \(onlyInB.count) only in B"
    }

    /// The first tensors that differ, or all of them, and those that only one model has.
    func tensorTable(limit: Int?) -> Table? {
        func shape(_ pair: Pair) -> String {
            pair.a.shape == pair.b.shape ? "\(pair.a.shape)" : "\(pair.a.shape) / \(pair.b.shape)"
        }
        let differing = differingPairs.map { pair in
            [
                pair.a.name.rawValue, shape(pair), pair.a.encoding, pair.b.encoding,
                sizeDifferenceText(pair.a.storedBytes, pair.b.storedBytes), errorText(pair.a.statistics),
                errorText(pair.b.statistics), errorDifferenceText(pair.errorDifference),
            ]
        }
        func alone(_ row: ModelReport.TensorRow, isInA: Bool) -> [String] {
            let error = errorText(row.statistics)
            return [
                row.name.rawValue, "\(row.shape)", isInA ? row.encoding : "-", isInA ? "-" : row.encoding,
                sizeDifferenceText(isInA ? row.storedBytes : 0, isInA ? 0 : row.storedBytes), isInA ? error : "-",
                isInA ? "-" : error, "-",
            ]
        }
        let rows =
            onlyInA.prefix(limit ?? .max).map { alone($0, isInA: true) }
            + onlyInB.prefix(limit ?? .max).map { alone($0, isInA: false) } + differing.prefix(limit ?? .max)
        guard !rows.isEmpty else { return nil }
        return Table(
            columns: [
                ("tensor", false), ("shape", false), ("A", false), ("B", false), ("B - A", true), ("A RMSE", true),
                ("B RMSE", true), ("B - A", true),
            ], rows: rows)
    }
}

/// How much larger the second size is, with its sign.
private func sizeDifferenceText(_ a: UInt64, _ b: UInt64) -> String {
    a == b ? "0" : b > a ? "+\(ByteCount(b - a))" : "-\(ByteCount(a - b))"
}

/// A difference of errors, with its sign; `-` if it is not known.
private func errorDifferenceText(_ difference: Double?) -> String {
    guard let difference else { return "-" }
    return (difference > 0 ? "+" : "") + significant(difference)
}
