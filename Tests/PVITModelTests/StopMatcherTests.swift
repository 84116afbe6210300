import Testing

@testable import PVITModel

@Suite("Stop texts")
struct StopMatcherTests {
    private func stream(_ parts: [String], _ stops: [String]) -> (given: [String], stopped: Bool) {
        var matcher = StopMatcher(stops)
        var given: [String] = []
        for part in parts where !matcher.hasStopped { given.append(matcher.append(part)) }
        given.append(matcher.finish())
        return (given, matcher.hasStopped)
    }

    @Test("a stop text that is split over parts is never given out")
    func split() {
        let (given, stopped) = stream(["Hello ##", "# Ins", "truction: more"], ["### Instruction:"])
        #expect(given == ["Hello ", "", "", ""])
        #expect(stopped)
    }

    @Test("what turns out to be no stop text is given out, in order and as soon as it is certain")
    func falseAlarm() {
        let (given, stopped) = stream(["a<", "/", "b", "<", "/s"], ["</s>"])
        #expect(given == ["a", "", "</b", "", "", "</s"])
        #expect(!stopped)
    }

    @Test("a match that overlaps a failed one is found")
    func overlap() {
        #expect(stream(["aa", "ab!"], ["aab"]).given.joined() == "a")
        #expect(stream(["aaa", "b"], ["aab"]).stopped)
        #expect(stream(["ababa", "c"], ["abac"]).given.joined() == "ab")
    }

    @Test("of several texts the one that comes first ends the stream")
    func several() {
        let (given, stopped) = stream(["one two three"], ["three", "two", ""])
        #expect(given.joined() == "one ")
        #expect(stopped)
        #expect(stream(["abc"], ["bcd", "c"]).given.joined() == "ab")
        #expect(!stream(["anything", ""], []).stopped)
        #expect(stream(["anything"], [""]).given == ["anything", ""])
    }

    @Test("characters of several bytes are not split")
    func characters() {
        // é and è begin with the same byte.
        #expect(stream(["caf", "é", "!"], ["è"]).given == ["caf", "é", "!", ""])
    }
}
