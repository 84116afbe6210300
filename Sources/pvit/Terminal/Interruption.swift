import Glibc
import Synchronization

/// The error that ends long work when the user interrupts it.
struct Interruption: Error {
    private static let flag = Atomic<Bool>(false)
    private static let signals = [SIGINT, SIGTERM]

    /// Whether the user has asked to stop since the last call of `watch` or `forget`.
    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// Starts watching for signals: the first Ctrl-C or SIGTERM asks the work to stop, the second one ends the process.
    static func watch() {
        forget()
        for signalNumber in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interruption.request() }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signalNumber, &action, nil)
        }
    }

    /// Asks the work to stop. May be called from a signal handler.
    static func request() { flag.store(true, ordering: .relaxed) }

    /// Clears a request to stop.
    static func forget() { flag.store(false, ordering: .relaxed) }

    /// Throws if the user has asked to stop.
    static func check() throws {
        if isRequested { throw Interruption() }
    }
}
