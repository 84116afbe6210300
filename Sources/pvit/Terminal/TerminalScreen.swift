import Glibc
import Storage

/// The terminal to write to: standard error, standard output or `/dev/tty`, the first of them that is a terminal. If
/// standard output is redirected, it receives only answers.
struct TerminalScreen {
    /// Styles of text.
    enum Style: String {
        case plain = ""
        case prompt = "\u{1B}[1m"
        case note = "\u{1B}[2m"
        case error = "\u{1B}[31m"
    }

    /// The descriptor to write to.
    let descriptor: Int32
    /// Whether to use colours. `NO_COLOR` (no-color.org) and incapable terminals disable them.
    let hasColours: Bool
    /// Whether the terminal understands escape sequences.
    let isCapable: Bool

    /// - Throws: `terminal.none` if there is no terminal to write to.
    init() throws {
        if let open = [STDERR_FILENO, STDOUT_FILENO].first(where: { isatty($0) == 1 }) {
            descriptor = open
        } else {
            descriptor = open("/dev/tty", O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw PVITError(
                    .noTerminal, "a conversation needs a terminal, and there is none", remedy: "give a PROMPT")
            }
        }
        func variable(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
        isCapable = !["", "dumb"].contains(variable("TERM"))
        hasColours = isCapable && variable("NO_COLOR").isEmpty
    }

    /// Applies a style to text.
    func styled(_ text: String, _ style: Style) -> String {
        hasColours && style != .plain ? "\(style.rawValue)\(text)\u{1B}[0m" : text
    }

    /// Writes text.
    func write(_ text: String, _ style: Style = .plain) {
        _ = writeAll(Array(styled(text, style).utf8), to: descriptor)
    }
}

extension PVITError.Code {
    /// A conversation needs a terminal, and there is none.
    static let noTerminal = Self("terminal.none", .usage)
}
