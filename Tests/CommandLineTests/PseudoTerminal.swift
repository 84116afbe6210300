import CheckpointTestSupport
import Foundation
import SystemPackage

/// Runs `pvit` on a pseudo-terminal, as a user at a keyboard would.
final class PseudoTerminal {
    /// An expectation that failed.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    // TIOCSPTLCK, TIOCGPTN and POSIX_SPAWN_SETSID, which Swift does not import.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430
    private static let newSession: Int16 = 0x80

    private let keyboard: Int32
    private let folder: TemporaryFolder
    private let process: pid_t
    private var hasEnded = false
    /// Everything that was shown.
    var shown: String { String(decoding: bytes, as: UTF8.self) }
    private var bytes: [UInt8] = []
    /// The number of bytes that `expect` has searched.
    private var position = 0
    /// The timeout for things that should happen at once, in seconds. It is far longer than any machine needs.
    private static let patience = 120.0

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - redirectsOutput: Whether standard output goes to a file (`output`) and not to the terminal.
    init(
        _ arguments: [String], environment: [String: String] = [:], redirectsOutput: Bool = false
    ) throws {
        folder = try TemporaryFolder()
        keyboard = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (lock, number): (Int32, Int32) = (0, 0)
        guard keyboard >= 0, ioctl(keyboard, Self.setLock, &lock) == 0, ioctl(keyboard, Self.getNumber, &number) == 0
        else { throw Failure(description: "no pseudo-terminal is available") }
        let terminal = "/dev/pts/\(number)"
        var size = winsize(ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(keyboard, UInt(TIOCSWINSZ), &size)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that a session leader opens becomes its controlling terminal.
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, terminal, O_RDWR, 0)
        if redirectsOutput {
            let output = folder.path.appending("output").string
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
        }
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Self.newSession | Int16(POSIX_SPAWN_SETSIGMASK))

        let inherited = ProcessInfo.processInfo.environment.filter { $0.key != "NO_COLOR" }
        let variables = inherited.merging(["TERM": "xterm", "LC_ALL": "C"]) { $1 }.merging(environment) { $1 }
        let values = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        let words = ([CommandLineRunner.program] + arguments).map { strdup($0) } + [nil]
        defer { for text in values + words { free(text) } }
        var started: pid_t = 0
        guard posix_spawn(&started, CommandLineRunner.program, &actions, &attributes, words, values) == 0 else {
            throw Failure(description: "the program cannot be started")
        }
        process = started
    }

    deinit {
        if !hasEnded {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        close(keyboard)
    }

    /// The content of standard output, if it is redirected to a file.
    var output: String {
        get throws { try String(contentsOfFile: folder.path.appending("output").string, encoding: .utf8) }
    }

    /// Types text: `\r` is the Enter key.
    func type(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            // Read the program's output too. Otherwise it would block, and not read what is typed.
            var state = pollfd(fd: keyboard, events: Int16(POLLIN | POLLOUT), revents: 0)
            guard poll(&state, 1, Int32(Self.patience * 1000)) > 0 else {
                throw Failure(description: "the program does not read what is typed")
            }
            if state.revents & Int16(POLLIN) != 0 { guard read() else { break } }
            guard state.revents & Int16(POLLOUT) != 0 else { continue }
            let count = rest.withUnsafeBytes { write(keyboard, $0.baseAddress, min($0.count, 1024)) }
            guard count > 0 else { throw Failure(description: "the terminal is gone: \(shown.suffix(500))") }
            rest = rest.dropFirst(count)
        }
    }

    /// Types a line and waits for an answer.
    func send(_ line: String, expecting answer: String) throws {
        try type("\(line)\r")
        try expect(answer)
    }

    /// Pastes text with the marks that terminals put around it.
    func paste(_ text: String) throws {
        try type("\u{1B}[200~" + text.replacingOccurrences(of: "\n", with: "\r") + "\u{1B}[201~")
    }

    /// Waits until a text is shown, after the text of the previous call.
    func expect(_ text: String) throws {
        let wanted = Array(text.utf8)
        let end = Date(timeIntervalSinceNow: Self.patience)
        var searched = position
        while true {
            if let found = bytes[searched...].firstRange(of: wanted) {
                position = found.upperBound
                return
            }
            searched = max(position, bytes.count - wanted.count)
            guard end.timeIntervalSinceNow > 0, read() else {
                throw Failure(description: "\"\(text)\" is not shown: …\(shown.suffix(1000).debugDescription)")
            }
        }
    }

    /// Whether a text was shown at any time.
    func hasShown(_ text: String) -> Bool { shown.contains(text) }

    /// Sends a signal to the program.
    func signal(_ number: Int32) { kill(process, number) }

    /// Changes the size of the window.
    func resize(columns: UInt16) {
        var size = winsize(ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(keyboard, UInt(TIOCSWINSZ), &size)
    }

    /// Whether the terminal echoes input and delivers it in lines, as before the program started.
    var isAsBefore: Bool {
        var settings = termios()
        tcgetattr(keyboard, &settings)
        let flags = tcflag_t(ICANON | ECHO | ISIG)
        return settings.c_lflag & flags == flags
    }

    /// Waits until the program is stopped, as by Ctrl-Z. Returns false if it ended instead.
    func waitUntilStopped() -> Bool {
        var status: Int32 = 0
        while waitpid(process, &status, WUNTRACED) < 0, errno == EINTR {}
        if status & 0xFF != 0x7F { hasEnded = true }
        return !hasEnded
    }

    /// Waits for the program to end. Returns its exit status, or 128 + the number of the signal that ended it.
    func status() throws -> Int32 {
        let end = Date(timeIntervalSinceNow: Self.patience)
        while read(), end.timeIntervalSinceNow > 0 {}
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        hasEnded = true
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }

    /// Reads more of the program's output. Returns false at the end.
    private func read() -> Bool {
        var state = pollfd(fd: keyboard, events: Int16(POLLIN), revents: 0)
        guard poll(&state, 1, Int32(Self.patience * 1000)) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = Foundation.read(keyboard, &buffer, buffer.count)
        // Reading fails with EIO when no process has the terminal open.
        guard count > 0 else { return false }
        bytes += buffer[..<count]
        return true
    }
}
