import LanguageModel
import Storage

/// Decides which positions of a text are kept if it is longer than the context: the fixed ones at the start, and the
/// most recent ones.
///
/// Positions are dropped in steps of half the space that is not fixed. A growing text is therefore seldom read again,
/// and its window depends only on its length.
struct ContextWindow {
    /// The maximum number of positions that are kept.
    let capacity: Int
    /// The number of positions at the start that are never dropped.
    let fixedCount: Int
    private let step: Int

    /// - Throws: `model.context-full` if the fixed positions leave no room.
    init(capacity: Int, fixedCount: Int) throws {
        guard fixedCount + 2 <= capacity else {
            throw PVITError(
                .contextFull,
                "instructions and image take \(fixedCount) positions, which leaves no room in the context of "
                    + "\(capacity)",
                remedy: "use a longer context")
        }
        self.capacity = capacity
        self.fixedCount = fixedCount
        step = max((capacity - fixedCount) / 2, 1)
    }

    /// The number of positions after the fixed ones that are dropped from a text of `count` positions.
    func droppedCount(of count: Int) -> Int {
        let excess = max(count - capacity, 0)
        return (excess + step - 1) / step * step
    }
}
