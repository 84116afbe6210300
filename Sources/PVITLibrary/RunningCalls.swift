import Storage
import Synchronization

/// The calls that are under way, so that a child of a fork can tell whether locks of this process are held for ever.
enum RunningCalls {
    private static let count = Atomic<Int>(0)
    /// Whether this process was forked while another thread was in a call.
    private static let isCutOff = Atomic<Bool>(false)

    /// In the child of a fork, where the threads of those calls do not exist.
    static func noteFork() {
        if count.load(ordering: .relaxed) > 0 { isCutOff.store(true, ordering: .relaxed) }
    }

    /// Whether the library can be used in this process.
    static var isPossible: Bool { !isCutOff.load(ordering: .relaxed) }

    /// Runs a call.
    ///
    /// - Throws: `library.forked` in a process that was forked during one.
    static func run(_ body: () throws -> Void) throws {
        guard isPossible else {
            throw PVITError(
                .forked, "the process was forked while another thread was in a call of the library",
                remedy: "fork between calls, or start the other process anew (in Python: with the method spawn)")
        }
        count.add(1, ordering: .relaxed)
        defer { count.subtract(1, ordering: .relaxed) }
        try body()
    }
}
