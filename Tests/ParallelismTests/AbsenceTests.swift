import Testing

@testable import Parallelism

@Suite("A helper that the system suspends while others wait for it")
struct AbsenceTests {
    private static let millisecond: Int64 = 1_000_000

    @Test("stays as long as it is not suspended, or others wait for it for less than a third of the time")
    func stays() {
        var absence = Absence(preemptions: 7, now: 0)
        #expect(absence.begin(waited: 9, undisturbed: 1, preemptions: 7, now: 100) == nil)
        #expect(absence.begin(waited: 3, undisturbed: 6, preemptions: 8, now: 100) == nil)
        // That suspension is over: the next wait has another reason.
        #expect(absence.begin(waited: 4, undisturbed: 6, preemptions: 8, now: 100) == nil)
        #expect(absence.begin(waited: 4, undisturbed: 6, preemptions: 9, now: 100) != nil)
    }

    @Test("stays away longer each time that it soon disturbs again, for a second at most, and then begins anew")
    func growth() {
        var absence = Absence(preemptions: 0, now: 0)
        var now = 100 * Self.millisecond
        var lengths: [Duration] = []
        for count in 1...8 {
            let length = absence.begin(waited: 3, undisturbed: 3, preemptions: UInt64(count), now: now) ?? .zero
            lengths.append(length)
            now += Int64(length.components.seconds) * 1000 * Self.millisecond
            now += length.components.attoseconds / 1_000_000_000
            absence.end(now: now)
            now += 10 * Self.millisecond
        }
        #expect(lengths == [20, 40, 80, 160, 320, 640, 1000, 1000].map { .milliseconds($0) })
        now += 2000 * Self.millisecond
        #expect(absence.begin(waited: 3, undisturbed: 3, preemptions: 9, now: now) == .milliseconds(20))
    }
}
