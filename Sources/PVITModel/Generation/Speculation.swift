import Tensors
import Tokenization

/// Chooses the draft tokens to read together with the last one, and makes drafts shorter while guesses fail.
struct Speculation {
    /// The number of tokens guessed, and the number of them that the model then drew.
    private(set) var draftedCount = 0
    private(set) var acceptedCount = 0

    private var lookup = PromptLookup()
    private let limit: Int
    /// The length of the next draft. It doubles after a draft that was accepted whole and halves after one that failed.
    private var length: Int
    /// The number of passes to go without a draft, and the number after the next failure of a one-token draft.
    private var pause = 0
    private var nextPause = 1

    private static let firstLength = 4
    private static let longestPause = 32

    /// - Parameter limit: The maximum length of a draft, at least 1.
    init(limit: Int) {
        self.limit = max(limit, 1)
        length = min(Self.firstLength, self.limit)
    }

    /// Returns tokens that may follow a text, often none.
    ///
    /// - Parameter room: The maximum number of tokens that can be used.
    mutating func draft(after text: [TokenID], room: Int) -> [TokenID] {
        guard pause == 0 else {
            pause -= 1
            return []
        }
        return lookup.continuation(of: text, count: min(length, room))
    }

    /// Records how many tokens of a draft were accepted.
    mutating func record(drafted: Int, accepted: Int) {
        guard drafted > 0 else { return }
        draftedCount += drafted
        acceptedCount += accepted
        if accepted == drafted {
            length = min(max(length, 2 * drafted), limit)
        } else if accepted > 0 {
            length = min(accepted + 1, limit)
        } else if length > 1 {
            length /= 2
        } else {
            pause = nextPause
            nextPause = min(2 * nextPause, Self.longestPause)
        }
        if accepted > 0 { nextPause = 1 }
    }
}
