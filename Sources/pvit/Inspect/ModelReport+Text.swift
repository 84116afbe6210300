import Conversion
import Storage
import Tensors

extension ModelReport {
    /// The report as text.
    ///
    /// - Parameter listsTensors: Whether to list every tensor.
    func text(listsTensors: Bool) -> String {
        var text = "\(path)\n\(format), \(ByteCount(fileBytes))\n\n"
        let width = facts.map(\.name.count).max() ?? 0
        for fact in facts {
            text += "  \(fact.name)\(String(repeating: " ", count: width - fact.name.count))  \(fact.value)\n"
        }
        text += "\n" + componentTable
        if !changes.isEmpty { text += "\n" + changeTable }
        if listsTensors { text += "\n" + tensorTable }
        if !sources.isEmpty { text += "\n" + sourceTable }
        if let cannotRun { text += "\ncannot run: \(cannotRun)\n" }
        for note in notes where note != cannotRun { text += "\nnote: \(note)\n" }
        return text.escapingControlCharactersButLineFeeds
    }

    private var componentTable: String {
        var table = TextTable([
            ("component", .left), ("tensors", .right), ("parameters", .right), ("encoding", .left),
            ("bits/weight", .right),
            ("stored", .right), ("of raw", .right), ("relative RMSE", .right),
        ])
        for (component, total) in components { table.add(Self.cells(component.rawValue, total)) }
        table.add(Self.cells("all weights", parameters))
        return table.text
    }

    private static func cells(_ title: String, _ total: Total) -> [String] {
        [
            title, "\(total.tensors)", countText(total.elements), total.encodings.joined(separator: " "),
            total.bitsPerWeight?.formatted(decimals: 2) ?? "-", "\(ByteCount(total.storedBytes))",
            total.compression.map { ($0 * 100).formatted(decimals: 0) + "%" } ?? "-", errorText(total.statistics),
        ]
    }

    private var tensorTable: String {
        var table = TextTable([
            ("tensor", .left), ("shape", .left), ("encoding", .left), ("bits/weight", .right), ("stored", .right),
            ("of raw", .right), ("relative RMSE", .right), ("max error", .right),
        ])
        for tensor in tensors {
            let total = Total([tensor])
            let isAlias = tensor.aliasOf != nil
            table.add([
                tensor.name.rawValue, "\(tensor.shape)",
                tensor.aliasOf.map { "= \($0)" } ?? tensor.encoding,
                isAlias ? "" : total.bitsPerWeight?.formatted(decimals: 2) ?? "-",
                isAlias ? "" : "\(ByteCount(tensor.storedBytes))",
                isAlias ? "" : total.compression.map { ($0 * 100).formatted(decimals: 0) + "%" } ?? "-",
                isAlias ? "" : errorText(tensor.statistics),
                isAlias ? "" : tensor.statistics.map { significant($0.maximumError) } ?? "-",
            ])
        }
        return table.text
    }

    private var sourceTable: String {
        var table = TextTable([("file", .left), ("of", .left), ("size", .right), ("SHA-256", .left)])
        for source in sources {
            table.add([source.path, source.role ?? "-", "\(ByteCount(source.bytes))", source.sha256 ?? "-"])
        }
        return table.text
    }
}

/// A count with a metric suffix: `6.74 G`.
func countText(_ count: Int) -> String {
    let value = Double(count)
    return switch count {
    case 1_000_000_000...: "\((value / 1e9).formatted(decimals: 2)) G"
    case 1_000_000...: "\((value / 1e6).formatted(decimals: 1)) M"
    case 10_000...: "\((value / 1e3).formatted(decimals: 1)) k"
    default: "\(count)"
    }
}

/// The relative RMSE of encoded weights; `exact` if it is 0, `-` if it is unknown.
func errorText(_ statistics: ErrorStatistics?) -> String {
    guard let statistics else { return "-" }
    return statistics.squaredError == 0 ? "exact" : significant(statistics.relativeRMSE)
}

extension String {
    /// The text with control characters except line feeds written as `\u{…}`, so that a terminal does not obey them.
    var escapingControlCharactersButLineFeeds: String {
        split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0).escapingControlCharacters }.joined(separator: "\n")
    }
}
