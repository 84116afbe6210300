import Glibc
import Synchronization

/// The time in which the program owns a terminal: its settings are put back however that time ends.
///
/// Signals are handled in three ways. Those that end the program put the settings back first. Ctrl-Z puts them back
/// while the program is stopped. Ctrl-C and a change of the window's size wake up whoever reads a line
/// (`TerminalInput`); while an answer is made, the first Ctrl-C asks it to stop (`Interruption`), and the second one
/// ends the program.
enum TerminalSession {
    /// What woke up the reader of a line.
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
    // Handlers of signals read it, so it is memory that stays where it is.
    nonisolated(unsafe) private static let settings = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    private static let endings = [SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGILL, SIGSEGV, SIGTRAP, SIGFPE]

    /// Begins to own the terminal.
    ///
    /// - Parameters:
    ///   - screen: Where the terminal is written to.
    ///   - usesPaste: Whether the terminal is asked to mark pasted text.
    /// - Returns: A descriptor that gives the bytes of events; nil when standard input is no terminal.
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

    /// Puts everything back.
    static func end() {
        guard isActive.exchange(false, ordering: .sequentiallyConsistent) else { return }
        restore()
        for number in endings + [SIGINT, SIGWINCH, SIGTSTP] { signal(number, SIG_DFL) }
        close(wakeWriter.exchange(-1, ordering: .sequentiallyConsistent))
    }

    /// Runs work that Ctrl-C asks to stop.
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

    // What follows runs in handlers of signals: only atomics and calls that are allowed there.

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
        // The program goes on here when it is resumed.
        handle(SIGTSTP) { _ in TerminalSession.suspend() }
        if isKnown { tcsetattr(STDIN_FILENO, TCSADRAIN, &current) }
        markPastes(true)
        wake(.resume)
        errno = saved
    }

    /// Lets a signal do what it does to a program that handles none.
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

    /// Asks the terminal to put marks around pasted text (`TerminalInput.paste`), or not to.
    private static func markPastes(_ isOn: Bool) {
        guard usesPaste.load(ordering: .relaxed) else { return }
        // ESC [ ? 2 0 0 4 h, or l.
        let last: UInt8 = isOn ? 0x68 : 0x6C
        var sequence: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) =
            (0x1B, 0x5B, 0x3F, 0x32, 0x30, 0x30, 0x34, last)
        _ = withUnsafeBytes(of: &sequence) { write(screen.load(ordering: .relaxed), $0.baseAddress, $0.count) }
    }
}
