import Glibc
import Storage

/// What standard input is, and whether its text belongs to a prompt that was given as an argument.
///
/// `cat notes | pvit run MODEL "Summarise"` and `pvit run MODEL "Summarise" < notes` mean that it does. What must not
/// be taken is the input of somebody else: the list of a loop around the program, or a connection that stays open.
enum PipedInput {
    private enum Kind {
        /// A terminal, a device such as /dev/null, or nothing.
        case none
        /// A file, and whether somebody has read some of it already, as a shell's `while read` does.
        case file(isBegun: Bool)
        case pipe
        /// What remote shells and programs that start programs give; it need not ever end.
        case socket
    }

    /// How long a pipe may give nothing before the user is told, and before that is an error, in milliseconds.
    private static let patience: (note: Int32, error: Int32) = (1000, 10_000)

    /// The text that belongs to a prompt; nil when there is none.
    ///
    /// - Throws: `input.idle` when a pipe gives nothing for long, and the errors of reading.
    static func textBesidePrompt() throws -> String? {
        switch kind {
        case .none: return nil
        case .file(isBegun: true):
            note("standard input is left alone, as some of it was read already: give - as PROMPT to read the rest")
            return nil
        case .socket:
            guard isReadable(within: 0), bytesAreWaiting else { return nil }
            note("standard input is left alone, as it is a connection: give - as PROMPT to read it")
            return nil
        case .pipe: try waitForPipe()
        case .file: break
        }
        let bytes = try readStandardInput()
        guard !bytes.isEmpty else { return nil }
        note(
            "standard input (\(ByteCount(rawValue: UInt64(bytes.count)))) joins the prompt; --no-stdin leaves it alone")
        return text(of: bytes)
    }

    /// All of standard input, which is the prompt.
    ///
    /// - Throws: `input.empty`, and the errors of reading.
    static func prompt() throws -> String {
        guard fcntl(STDIN_FILENO, F_GETFD) >= 0 else { throw empty("closed") }
        let text = text(of: try readStandardInput())
        guard !text.isEmpty else { throw empty("empty") }
        return text
    }

    private static func empty(_ state: String) -> PVITError {
        PVITError(
            .emptyInput, "there is no prompt: standard input is \(state)",
            remedy: "give a PROMPT, or pipe a text into the program")
    }

    /// The text of bytes, without the line feed at its end.
    private static func text(of bytes: [UInt8]) -> String {
        if String(validating: bytes, as: UTF8.self) == nil {
            note("standard input is not UTF-8; what is not is read as \u{FFFD}")
        }
        return String(decoding: bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    private static var kind: Kind {
        var status = stat()
        guard fstat(STDIN_FILENO, &status) == 0 else { return .none }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file(isBegun: lseek(STDIN_FILENO, 0, SEEK_CUR) > 0)
        case S_IFIFO: return .pipe
        case S_IFSOCK: return .socket
        default: return .none
        }
    }

    private static func waitForPipe() throws {
        guard !isReadable(within: patience.note) else { return }
        note("waiting for standard input, an open pipe; --no-stdin leaves it alone")
        guard isReadable(within: patience.error - patience.note) else {
            throw PVITError(
                .idleInput, "standard input is an open pipe that has given nothing for 10 seconds",
                remedy: "leave it alone with --no-stdin or < /dev/null, or wait for it with - as PROMPT")
        }
    }

    /// Whether something can be read, the end included, within so many milliseconds.
    private static func isReadable(within milliseconds: Int32) -> Bool {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while true {
            var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            let left = max((end - .now) / .milliseconds(1), 0)
            let count = poll(&waiting, 1, Int32(left.rounded(.up)))
            if count < 0, errno == EINTR { continue }
            return count != 0
        }
    }

    private static var bytesAreWaiting: Bool {
        var byte: UInt8 = 0
        return recv(STDIN_FILENO, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    private static func note(_ text: String) { StandardError.write("note: \(text)\n") }
}

extension PVITError.Code {
    /// There is no prompt.
    static let emptyInput = Self("input.empty", .usage)
    /// Standard input gives nothing and does not end.
    static let idleInput = Self("input.idle", .missingInput)
}
