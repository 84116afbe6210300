import Glibc
import Synchronization

/// Thrown where long work stops because the user interrupted it.
struct Interruption: Error {
    private static let flag = Atomic<Bool>(false)
    private static let signals = [SIGINT, SIGTERM]

    /// Whether the user has asked to stop since `watch` or `forget` was called.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// From now on the first Ctrl-C or SIGTERM asks the work to stop, and the second one ends the process.
    static func watch() {
        forget()
        for signalNumber in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interruption.request() }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signalNumber, &action, nil)
        }
    }

    /// Asks the work to stop. Handlers of signals may call this.
    static func request() { flag.store(true, ordering: .relaxed) }

    /// Takes the wish to stop back.
    static func forget() { flag.store(false, ordering: .relaxed) }

    /// Throws when the user has asked to stop.
    static func check() throws {
        if isRequested { throw Interruption() }
    }
}
