/// A table in plain text with aligned columns.
struct TextTable {
    /// The alignment of a column.
    enum Alignment {
        /// Left, for text.
        case left
        /// Right, for numbers.
        case right
    }

    private let alignments: [Alignment]
    private var rows: [[String]]

    /// Creates a table with a row of titles.
    init(_ columns: [(title: String, alignment: Alignment)]) {
        alignments = columns.map(\.alignment)
        rows = [columns.map(\.title)]
    }

    /// Adds a row, with one cell for each column.
    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// The table, with one line for each row and two spaces between columns.
    var text: String {
        let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += column == 0 ? "" : "  "
                line += alignments[column] == .left ? cell + padding : padding + cell
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
