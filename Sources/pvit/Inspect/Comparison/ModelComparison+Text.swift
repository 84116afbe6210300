import Conversion
import Storage

extension ModelComparison {
    /// The comparison as text.
    ///
    /// - Parameter listsTensors: Whether to list every tensor that differs.
    func text(listsTensors: Bool) -> String {
        var text = overview.text + "\n" + sameWeightsText + "\n\n" + componentTable.text + "\n" + tensorCounts + "\n"
        if let table = tensorTable(limit: listsTensors ? nil : Self.listedCount) {
            if !listsTensors, hasMore { text += "the largest differences (--tensors lists all):\n" }
            text += "\n" + table.text
        }
        return text.escapingControlCharactersButLineFeeds
    }

    private var hasMore: Bool {
        [onlyInA.count, onlyInB.count, differingPairs.count].contains { $0 > Self.listedCount }
    }
}
