import Conversion

extension ModelReport {
    /// The rows of the table of changes, after its titles.
    var changeRows: [[String]] {
        layerChanges.map { row in
            let components = [ModelComponent.attention, .feedForward, .norms].map { component in
                row.components[component]?.normText ?? "-"
            }
            return [row.title] + components + [row.total.normText, row.total.unchangedText]
        }
    }

    /// The titles of the table of changes.
    static let changeTitles = ["moved by", "attention", "feed-forward", "norms", "all", "unchanged"]

    /// The table of changes as text.
    var changeTable: String {
        var table = TextTable(Self.changeTitles.enumerated().map { ($1, $0 == 0 ? .left : .right) })
        for row in changeRows { table.add(row) }
        return table.text
    }
}
