import LanguageModel
import Storage

/// Which positions of a text that is longer than the context are kept: the first ones, and as many of the last ones as
/// leave room. The others are dropped in steps of half of what is not fixed, so that a text that grows is seldom read
/// again, and its window depends on its length alone.
struct ContextWindow {
    /// The most positions that are kept.
    let capacity: Int
    /// How many of the first positions always stay.
    let fixedCount: Int
    private let step: Int

    /// - Throws: `model.context-full` when what always stays leaves no room.
    init(capacity: Int, fixedCount: Int) throws {
        guard fixedCount + 2 <= capacity else {
            throw PVITError(
                .contextFull,
                "the \(fixedCount) positions that always stay (instructions and image) leave no room in the context of "
                    + "\(capacity)",
                remedy: "ask for a longer context")
        }
        self.capacity = capacity
        self.fixedCount = fixedCount
        step = max((capacity - fixedCount) / 2, 1)
    }

    /// How many positions after the first ones are dropped of a text of `count` positions.
    func droppedCount(of count: Int) -> Int {
        let excess = max(count - capacity, 0)
        return (excess + step - 1) / step * step
    }
}
