import LanguageModel
import Storage
import Tensors
import Testing
import Tokenization

@testable import PVITModel

@Suite("Guessing tokens from repetitions")
struct PromptLookupTests {
    private func guess(_ text: [TokenID], _ count: Int) -> [TokenID] {
        var lookup = PromptLookup()
        return lookup.continuation(of: text, count: count)
    }

    @Test("the guess is what followed the last tokens before")
    func followed() {
        #expect(guess([1, 2, 3, 4, 5, 1, 2], 3) == [3, 4, 5])
        #expect(guess([1, 2, 3, 4, 5, 1, 2], 1) == [3])
        #expect(guess([1, 2, 3, 4, 5, 1, 2], 0) == [])
        for nothing in [[], [1], [1, 2], [1, 2, 3, 2, 4]] as [[TokenID]] { #expect(guess(nothing, 4) == []) }
    }

    @Test("the longest match wins, and of equal ones the latest")
    func longest() {
        #expect(guess([7, 8, 2, 3, 40, 9, 8, 2, 3, 50, 6, 8, 2, 3], 1) == [50])
        #expect(guess([7, 8, 2, 3, 40, 9, 0, 2, 3, 50, 6, 8, 2, 3], 1) == [40])
    }

    @Test("a period is continued to any length")
    func period() {
        #expect(guess([9, 1, 2, 3, 1, 2, 3], 8) == [1, 2, 3, 1, 2, 3, 1, 2])
        #expect(guess([5, 5, 5], 4) == [5, 5, 5, 5])
    }

    @Test("indexing a growing text gives the same guesses as indexing it whole")
    func growing() {
        var lookup = PromptLookup()
        let text = (0..<400).map { TokenID(rawValue: Int32($0 * $0 % 7 + $0 / 50)) }
        for end in stride(from: 0, through: text.count, by: 3) {
            let prefix = Array(text[..<end])
            #expect(lookup.continuation(of: prefix, count: 5) == guess(prefix, 5))
        }
    }

    @Test("drafts grow while they are accepted, shrink when they fail, and then pause for longer and longer")
    func lengths() {
        var speculation = Speculation(limit: 16)
        let text = [TokenID](repeating: 3, count: 5)
        var lengths: [Int] = []
        for accepts in [true, true, true, false, false, false, false, false] {
            let draft = speculation.draft(after: text, room: .max)
            lengths.append(draft.count)
            speculation.record(drafted: draft.count, accepted: accepts ? draft.count : 0)
        }
        #expect(lengths == [4, 8, 16, 16, 8, 4, 2, 1])
        var pauses: [Int] = []
        for _ in 0..<7 {
            var pause = 0
            while true {
                let draft = speculation.draft(after: text, room: .max)
                if !draft.isEmpty { break }
                pause += 1
            }
            pauses.append(pause)
            speculation.record(drafted: 1, accepted: 0)
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 32])
        #expect(speculation.acceptedCount == 28)
        #expect(speculation.draftedCount == 59 + 7)
        #expect(speculation.draft(after: text, room: 0).isEmpty)
    }

    @Test("after a draft that was accepted in part, the next one is a token longer than the accepted tokens")
    func partial() {
        var speculation = Speculation(limit: 8)
        let text = [TokenID](repeating: 3, count: 5)
        speculation.record(drafted: 4, accepted: 2)
        #expect(speculation.draft(after: text, room: .max).count == 3)
        #expect(speculation.draft(after: text, room: 2).count == 2)
    }
}

@Suite("Sliding contexts")
struct ContextWindowTests {
    @Test("a text that fits is kept whole, and a longer one loses half of the space that is not fixed at a time")
    func dropping() throws {
        let window = try ContextWindow(capacity: 100, fixedCount: 20)
        #expect([0, 20, 100].map(window.droppedCount(of:)) == [0, 0, 0])
        #expect([101, 140, 141, 180, 181].map(window.droppedCount(of:)) == [40, 40, 80, 80, 120])
        for count in 101..<1000 {
            let kept = count - window.droppedCount(of: count)
            #expect(kept > 60 && kept <= 100)
        }
    }

    @Test("the fixed positions must leave room for two others")
    func noRoom() throws {
        #expect(try ContextWindow(capacity: 10, fixedCount: 8).droppedCount(of: 11) == 1)
        let error = #expect(throws: PVITError.self) { _ = try ContextWindow(capacity: 10, fixedCount: 9) }
        #expect(error?.code == .contextFull)
    }
}
