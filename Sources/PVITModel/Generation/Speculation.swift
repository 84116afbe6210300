import Tensors
import Tokenization

/// Which tokens are read on trial together with the last one: a draft that costs little where guesses fail.
struct Speculation {
    /// How many tokens were guessed, and how many of them came.
    private(set) var draftedCount = 0
    private(set) var acceptedCount = 0

    private var lookup = PromptLookup()
    private let limit: Int
    /// How many tokens are guessed next: twice as many after a draft that came whole, half as many after one that
    /// failed.
    private var length: Int
    /// How many passes go without a draft, and how many will when a draft of one token fails again.
    private var pause = 0
    private var nextPause = 1

    private static let firstLength = 4
    private static let longestPause = 32

    /// - Parameter limit: The most tokens of a draft, at least 1.
    init(limit: Int) {
        self.limit = max(limit, 1)
        length = min(Self.firstLength, self.limit)
    }

    /// Tokens that may follow a text; often none.
    ///
    /// - Parameter room: The most that can be used.
    mutating func draft(after text: [TokenID], room: Int) -> [TokenID] {
        guard pause == 0 else {
            pause -= 1
            return []
        }
        return lookup.continuation(of: text, count: min(length, room))
    }

    /// Learns how many tokens of a draft came.
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
