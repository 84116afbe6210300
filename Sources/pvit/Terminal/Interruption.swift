import Glibc
import Synchronization

/// Thrown where long work stops because the user interrupted it.
struct Interruption: Error {
    private static let flag = Atomic<Bool>(false)
    private static let signals = [SIGINT, SIGTERM]

    /// Whether the user has asked to stop since `watch` was called.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// From now on the first Ctrl-C or SIGTERM asks the work to stop, and the second one ends the process.
    static func watch() {
        flag.store(false, ordering: .relaxed)
        for signalNumber in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interruption.flag.store(true, ordering: .relaxed) }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signalNumber, &action, nil)
        }
    }

    /// From now on Ctrl-C and SIGTERM end the process again.
    static func unwatch() {
        for signalNumber in signals { signal(signalNumber, SIG_DFL) }
    }

    /// Throws when the user has asked to stop.
    static func check() throws {
        if isRequested { throw Interruption() }
    }
}
