/// The two orders of the rows of query and key projections.
///
/// Rotary embeddings rotate pairs of channels of a head. Files of Meta's and GGUF files *interleave* the pairs: they
/// rotate channels 2 i and 2 i + 1. `transformers` keeps the *halves* of a head together: it rotates channels i and
/// i + width / 2. Models have the order of `transformers` everywhere in this program; readers and writers of the other
/// formats permute the rows.
package struct RotaryRowOrder: Sendable, Hashable {
    /// The number of rows of one head.
    private let headWidth: Int

    /// - Returns: nil when the rows cannot be cut into `heads` heads of an even width.
    package init?(rows: Int, heads: Int) {
        guard heads > 0, rows > 0, rows % heads == 0, rows / heads % 2 == 0 else { return nil }
        headWidth = rows / heads
    }

    /// The row of an interleaved matrix that is row `row` of the matrix in halves.
    package func interleavedRow(of row: Int) -> Int {
        let channel = row % headWidth
        return row - channel + channel % (headWidth / 2) * 2 + channel / (headWidth / 2)
    }

    /// The row of the matrix in halves that is row `row` of an interleaved matrix.
    package func halvesRow(of row: Int) -> Int {
        let channel = row % headWidth
        return row - channel + channel / 2 + channel % 2 * (headWidth / 2)
    }

    /// The rows of whole heads of an interleaved matrix that contain `rows` of the matrix in halves.
    func interleavedHeads(covering rows: Range<Int>) -> Range<Int> {
        rows.lowerBound / headWidth * headWidth..<(rows.upperBound + headWidth - 1) / headWidth * headWidth
    }

    /// The first rows of `rows`, which are not empty, that are evenly spaced in an interleaved matrix: those up to the
    /// end of the half that the first one is in.
    func interleavedRun(of rows: Range<Int>) -> RowSelection {
        let halfWidth = headWidth / 2
        let count = min(rows.count, halfWidth - rows.lowerBound % halfWidth)
        return RowSelection(first: interleavedRow(of: rows.lowerBound), step: 2, count: count)
    }
}
