/// Ranges of about equal size that cover `0..<total`.
struct EvenRanges: RandomAccessCollection {
    private let total: Int
    private let size: Int
    let startIndex = 0
    let endIndex: Int

    /// Cuts `0..<total` into as few ranges of at most `largest` as possible. The sizes of all but the last are
    /// multiples of `unit`; so is `largest`.
    init(of total: Int, atMost largest: Int, multipleOf unit: Int = 1) {
        self.total = total
        let count = Swift.max((total + largest - 1) / largest, 1)
        size = Swift.max((total + count * unit - 1) / (count * unit) * unit, 1)
        endIndex = (total + size - 1) / size
    }

    subscript(index: Int) -> Range<Int> { index * size..<Swift.min((index + 1) * size, total) }
}
