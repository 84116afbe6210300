import Glibc
import Synchronization

/// Thrown where long work stops because the user interrupted it.
struct Interruption: Error {
    private static let flag = Atomic<Bool>(false)

    /// Whether the user has asked to stop since `watch` was called.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// From now on the first Ctrl-C or SIGTERM asks the work to stop, and the second one ends the process.
    static func watch() {
        for signalNumber in [SIGINT, SIGTERM] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interruption.flag.store(true, ordering: .relaxed) }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signalNumber, &action, nil)
        }
    }

    /// Throws when the user has asked to stop.
    static func check() throws {
        if isRequested { throw Interruption() }
    }
}
