import Conversion
import Storage
import Tensors

/// A description of one tensor, with statistics of its values.
struct TensorReport {
    let row: ModelReport.TensorRow
    let scan: TensorScan

    /// The report as text.
    func text() -> String {
        var facts: [(String, String)] = [
            ("shape", "\(row.shape), \(countText(row.shape.elementCount)) elements"),
            ("encoding", "\(row.encoding)\(row.aliasOf.map { ", the same data as \($0)" } ?? "")"),
            ("stored", "\(ByteCount(row.storedBytes)) of \(ByteCount(row.decodedBytes))"),
            ("range", "\(significant(scan.minimum)) … \(significant(scan.maximum))"),
            ("mean", "\(significant(scan.mean)), standard deviation \(significant(scan.standardDeviation))"),
            ("zeros", "\(scan.zeroCount)"),
        ]
        if scan.notFiniteCount > 0 { facts.append(("not finite", "\(scan.notFiniteCount)")) }
        if let statistics = row.statistics {
            facts.append(
                ("error", "relative RMSE \(errorText(statistics)), at most \(significant(statistics.maximumError))"))
        }
        let width = facts.map(\.0.count).max() ?? 0
        var text = "\(row.name.rawValue.escapingControlCharacters)\n\n"
        for (name, value) in facts {
            text += "  \(name)\(String(repeating: " ", count: width - name.count))  \(value)\n"
        }
        return text + "\n"
            + HistogramDrawing(counts: scan.histogram, range: scan.minimum...scan.maximum).text(width: 50)
    }

    /// The report as JSON.
    var json: JSONValue {
        [
            "name": .string(row.name.rawValue),
            "encoding": .string(row.encoding),
            "shape": .array(row.shape.dimensions.map(JSONValue.integer)),
            "stored_bytes": .integer(Int(clamping: row.storedBytes)),
            "minimum": .number(scan.minimum), "maximum": .number(scan.maximum), "mean": .number(scan.mean),
            "standard_deviation": .number(scan.standardDeviation),
            "zeros": .integer(scan.zeroCount), "not_finite": .integer(scan.notFiniteCount),
            "histogram": .array(scan.histogram.map(JSONValue.integer)),
            "relative_rmse": row.statistics.map { .number($0.relativeRMSE) } ?? .null,
            "maximum_error": row.statistics.map { .number($0.maximumError) } ?? .null,
        ]
    }
}
