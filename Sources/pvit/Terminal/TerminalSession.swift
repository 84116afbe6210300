import Glibc
import Synchronization

/// The period in which the program owns a terminal. The terminal's settings are restored however it ends.
///
/// Signals are handled in three ways. Signals that end the program restore the settings first. Ctrl-Z restores them
/// while the program is stopped. Ctrl-C and a resized window wake up the reader of a line (`TerminalInput`). While an
/// answer is generated, the first Ctrl-C asks it to stop (`Interruption`), and the second one ends the program.
enum TerminalSession {
    /// The events that wake up the reader of a line.
    enum Event: UInt8 {
        case interrupt = 1
        case resize
        case resume
    }

    private static let isActive = Atomic<Bool>(false)
    private static let isAnswering = Atomic<Bool>(false)
    private static let usesPaste = Atomic<Bool>(false)
    private static let screen = Atomic<Int32>(-1)
    private static let wakeWriter = Atomic<Int32>(-1)
    // Signal handlers read this, so it needs a fixed address.
    nonisolated(unsafe) private static let settings = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    private static let endings = [SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGILL, SIGSEGV, SIGTRAP, SIGFPE]

    /// Takes over the terminal.
    ///
    /// - Parameters:
    ///   - screen: The descriptor to write to.
    ///   - usesPaste: Whether to ask the terminal to mark pasted text.
    /// - Returns: A descriptor from which to read events, one byte each; nil if standard input is not a terminal.
    static func begin(screen: Int32, usesPaste: Bool) -> Int32? {
        var ends: [Int32] = [-1, -1]
        guard tcgetattr(STDIN_FILENO, settings) == 0, pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        Self.screen.store(screen, ordering: .relaxed)
        wakeWriter.store(ends[1], ordering: .relaxed)
        Self.usesPaste.store(usesPaste, ordering: .relaxed)
        isAnswering.store(false, ordering: .relaxed)
        isActive.store(true, ordering: .sequentiallyConsistent)
        handle(SIGINT) { _ in TerminalSession.interrupt() }
        handle(SIGWINCH) { _ in TerminalSession.wake(.resize) }
        handle(SIGTSTP) { _ in TerminalSession.suspend() }
        for ending in endings { handle(ending) { TerminalSession.die(of: $0) } }
        markPastes(true)
        return ends[0]
    }

    /// Restores the terminal and the signal handlers.
    static func end() {
        guard isActive.exchange(false, ordering: .sequentiallyConsistent) else { return }
        restore()
        for number in endings + [SIGINT, SIGWINCH, SIGTSTP] { signal(number, SIG_DFL) }
        close(wakeWriter.exchange(-1, ordering: .sequentiallyConsistent))
    }

    /// Runs work that Ctrl-C can stop.
    static func answering<Result>(_ work: () throws -> Result) rethrows -> Result {
        Interruption.forget()
        isAnswering.store(true, ordering: .sequentiallyConsistent)
        defer { isAnswering.store(false, ordering: .sequentiallyConsistent) }
        return try work()
    }

    private static func handle(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(number, &action, nil)
    }

    // The following functions run in signal handlers. They use only atomics and async-signal-safe calls.

    private static func interrupt() {
        guard isAnswering.load(ordering: .sequentiallyConsistent) else { return wake(.interrupt) }
        if Interruption.isRequested { die(of: SIGINT) }
        Interruption.request()
    }

    private static func wake(_ event: Event) {
        let saved = errno
        var byte = event.rawValue
        _ = write(wakeWriter.load(ordering: .relaxed), &byte, 1)
        errno = saved
    }

    private static func die(of number: Int32) {
        restore()
        takeDefault(number)
    }

    private static func suspend() {
        let saved = errno
        var current = termios()
        let isKnown = tcgetattr(STDIN_FILENO, &current) == 0
        restore()
        takeDefault(SIGTSTP)
        // The program continues here when it is resumed.
        handle(SIGTSTP) { _ in TerminalSession.suspend() }
        if isKnown { tcsetattr(STDIN_FILENO, TCSADRAIN, &current) }
        markPastes(true)
        wake(.resume)
        errno = saved
    }

    /// Lets a signal take its default action.
    private static func takeDefault(_ number: Int32) {
        signal(number, SIG_DFL)
        raise(number)
        var only = sigset_t()
        sigemptyset(&only)
        sigaddset(&only, number)
        var blocked = sigset_t()
        pthread_sigmask(SIG_UNBLOCK, &only, &blocked)
        pthread_sigmask(SIG_SETMASK, &blocked, nil)
    }

    private static func restore() {
        markPastes(false)
        tcsetattr(STDIN_FILENO, TCSADRAIN, settings)
    }

    /// Switches the marking of pasted text (`TerminalInput.paste`) on or off.
    private static func markPastes(_ isOn: Bool) {
        guard usesPaste.load(ordering: .relaxed) else { return }
        // ESC [ ? 2 0 0 4 h, or l.
        let last: UInt8 = isOn ? 0x68 : 0x6C
        var sequence: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) =
            (0x1B, 0x5B, 0x3F, 0x32, 0x30, 0x30, 0x34, last)
        _ = withUnsafeBytes(of: &sequence) { write(screen.load(ordering: .relaxed), $0.baseAddress, $0.count) }
    }
}
