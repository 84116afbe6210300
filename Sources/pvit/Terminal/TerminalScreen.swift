import Glibc
import Storage

/// Where the user of a terminal is talked to: standard error, standard output or the terminal itself, the first of them
/// that is a terminal. What standard output is redirected to gets answers only.
struct TerminalScreen {
    /// Ways to show text.
    enum Style: String {
        case plain = ""
        case prompt = "\u{1B}[1m"
        case note = "\u{1B}[2m"
        case error = "\u{1B}[31m"
    }

    /// What is written to.
    let descriptor: Int32
    /// Whether text is coloured: never with `NO_COLOR` (no-color.org), and not on terminals that cannot.
    let hasColours: Bool
    /// Whether the terminal can do more than show one line after the other.
    let isCapable: Bool

    /// - Throws: `terminal.none` when there is no terminal to write to.
    init() throws {
        if let open = [STDERR_FILENO, STDOUT_FILENO].first(where: { isatty($0) == 1 }) {
            descriptor = open
        } else {
            descriptor = open("/dev/tty", O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw PVITError(
                    .noTerminal, "there is no terminal to hold a conversation on", remedy: "give a PROMPT to answer")
            }
        }
        func variable(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
        isCapable = !["", "dumb"].contains(variable("TERM"))
        hasColours = isCapable && variable("NO_COLOR").isEmpty
    }

    /// A text in a style.
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
