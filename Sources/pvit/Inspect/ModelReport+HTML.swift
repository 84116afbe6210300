import Storage
import Tensors

extension ModelReport {
    /// The report as a single HTML page without external resources.
    var html: String {
        let facts = facts.map { "<dt>\(escaped($0.name))</dt><dd>\(escaped($0.value))</dd>" }.joined(separator: "\n")
        let problem = cannotRun.map { "cannot run: \($0)" }
        let sentences = [problem].compactMap(\.self) + notes.filter { $0 != cannotRun }
        let notes = sentences.map { "<p class=note>\(escaped($0))</p>" }.joined(separator: "\n")
        return """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(escaped(path))</title>
            <style>\(Self.style)</style>
            <h1>\(escaped(path))</h1>
            <p>\(escaped(format)), \(ByteCount(fileBytes))</p>
            \(notes)
            <dl>
            \(facts)
            </dl>
            <h2>Size by component</h2>
            \(componentsTable)
            \(layersSection)
            <h2>Tensors</h2>
            \(tensorsTable)
            <h2>Files</h2>
            \(sourcesTable)
            </html>

            """
    }

    private static let style = """
        body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
        h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin-top: 2rem }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem } dt { color: #666 } dd { margin: 0 }
        table { border-collapse: collapse; width: 100% } th { text-align: left; color: #666; font-weight: normal }
        td, th { padding: .15rem .6rem .15rem 0; border-bottom: 1px solid #e6e6e6; white-space: nowrap }
        td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
        td.bar { width: 40% } td.bar div { background: #4878a8; height: .8rem; min-width: 1px }
        .note { background: #fff3cd; padding: .5rem .8rem; border-radius: .3rem }
        code { font-size: .9em }
        """

    private var componentsTable: String {
        let largest = components.map(\.total.storedBytes).max() ?? 1
        let rows = components.map { component, total in
            """
            <tr><td>\(escaped(component.rawValue))</td><td>\(escaped(total.encodings.joined(separator: " ")))</td>\
            \(number(countText(total.elements)))\(number(total.bitsPerWeight?.formatted(decimals: 2) ?? "-"))\
            \(number("\(ByteCount(total.storedBytes))"))\(number(errorText(total.statistics)))\
            \(bar(Double(total.storedBytes) / Double(max(largest, 1))))</tr>
            """
        }
        return table(
            [
                ("component", false), ("encoding", false), ("parameters", true), ("bits/weight", true),
                ("stored", true),
                ("relative RMSE", true), ("", false),
            ], rows)
    }

    private var layersSection: String {
        guard !changes.isEmpty else { return "<h2>Relative error by layer</h2>\n\(errorChart)" }
        let rows = changeRows.map { cells in
            "<tr><td>\(escaped(cells[0]))</td>\(cells.dropFirst().map(number).joined())</tr>"
        }
        let columns = Self.changeTitles.enumerated().map { (title: $1, isNumber: $0 > 0) }
        return "<h2>Change by layer, relative to the base</h2>\n\(table(columns, rows))"
    }

    private var errorChart: String {
        var layers: [Int: ErrorStatistics] = [:]
        for tensor in tensors {
            guard let layer = layerNumber(tensor.name), let statistics = tensor.statistics else { continue }
            layers[layer, default: ErrorStatistics()].merge(statistics)
        }
        guard !layers.isEmpty else { return "<p>No error statistics are recorded.</p>" }
        let largest = layers.values.map(\.relativeRMSE).max() ?? 0
        let rows = layers.sorted { $0.key < $1.key }.map { layer, statistics in
            """
            <tr><td class=number>\(layer)</td>\(number(errorText(statistics)))\
            \(bar(largest > 0 ? statistics.relativeRMSE / largest : 0))</tr>
            """
        }
        return table([("layer", true), ("relative RMSE", true), ("", false)], rows)
    }

    private var tensorsTable: String {
        let rows = tensors.map { tensor in
            let total = Total([tensor])
            return """
                <tr><td><code>\(escaped(tensor.name.rawValue))</code></td><td>\(escaped("\(tensor.shape)"))</td>\
                <td>\(escaped(tensor.aliasOf.map { "= \($0)" } ?? tensor.encoding))</td>\
                \(number(total.bitsPerWeight?.formatted(decimals: 2) ?? "-"))\
                \(number(tensor.aliasOf == nil ? "\(ByteCount(tensor.storedBytes))" : "-"))\
                \(number(errorText(tensor.statistics)))\
                \(number(tensor.statistics.map { significant($0.maximumError) } ?? "-"))</tr>
                """
        }
        return table(
            [
                ("tensor", false), ("shape", false), ("encoding", false), ("bits/weight", true), ("stored", true),
                ("relative RMSE", true), ("max error", true),
            ], rows)
    }

    private var sourcesTable: String {
        let rows = sources.map { source in
            """
            <tr><td>\(escaped(source.path))</td><td>\(escaped(source.role ?? "-"))</td>\(number("\(ByteCount(source.bytes))"))\
            <td><code>\(escaped(source.sha256 ?? "-"))</code></td></tr>
            """
        }
        return table([("file", false), ("of", false), ("size", true), ("SHA-256", false)], rows)
    }

    private func table(_ columns: [(title: String, isNumber: Bool)], _ rows: [String]) -> String {
        let titles = columns.map { "<th\($0.isNumber ? " class=number" : "")>\($0.title)</th>" }.joined()
        return "<table>\n<tr>\(titles)</tr>\n\(rows.joined(separator: "\n"))\n</table>"
    }

    private func number(_ text: String) -> String { "<td class=number>\(escaped(text))</td>" }

    private func bar(_ share: Double) -> String {
        "<td class=bar><div style=\"width:\((share * 100).formatted(decimals: 1))%\"></div></td>"
    }
}

/// Escapes text for HTML.
private func escaped(_ text: String) -> String {
    var result = ""
    for character in text.escapingControlCharacters {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default: result.append(character)
        }
    }
    return result
}
