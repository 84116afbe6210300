import Testing

@testable import PVITModel

@Suite("Stop texts")
struct StopMatcherTests {
    private func stream(_ chunks: [String], _ stops: [String]) -> (emitted: [String], stopped: Bool) {
        var matcher = StopMatcher(stops)
        var emitted: [String] = []
        for chunk in chunks where !matcher.hasStopped { emitted.append(matcher.append(chunk)) }
        emitted.append(matcher.finish())
        return (emitted, matcher.hasStopped)
    }

    @Test("a stop text that is split over chunks is never emitted")
    func split() {
        let (emitted, stopped) = stream(["Hello ##", "# Ins", "truction: more"], ["### Instruction:"])
        #expect(emitted == ["Hello ", "", "", ""])
        #expect(stopped)
    }

    @Test("text that turns out not to be a stop text is emitted in order, as soon as that is certain")
    func falseAlarm() {
        let (emitted, stopped) = stream(["a<", "/", "b", "<", "/s"], ["</s>"])
        #expect(emitted == ["a", "", "</b", "", "", "</s"])
        #expect(!stopped)
    }

    @Test("a match that overlaps a failed one is found")
    func overlap() {
        #expect(stream(["aa", "ab!"], ["aab"]).emitted.joined() == "a")
        #expect(stream(["aaa", "b"], ["aab"]).stopped)
        #expect(stream(["ababa", "c"], ["abac"]).emitted.joined() == "ab")
    }

    @Test("of several stop texts, the first to occur ends the stream")
    func several() {
        let (emitted, stopped) = stream(["one two three"], ["three", "two", ""])
        #expect(emitted.joined() == "one ")
        #expect(stopped)
        #expect(stream(["abc"], ["bcd", "c"]).emitted.joined() == "ab")
        #expect(!stream(["anything", ""], []).stopped)
        #expect(stream(["anything"], [""]).emitted == ["anything", ""])
    }

    @Test("multi-byte characters are not split")
    func characters() {
        // é and è begin with the same byte.
        #expect(stream(["caf", "é", "!"], ["è"]).emitted == ["caf", "é", "!", ""])
    }
}
