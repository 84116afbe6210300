import Glibc
import Storage

/// Decides whether the text on standard input belongs to a prompt that was given as an argument.
///
/// It does in `cat notes | pvit run MODEL "Summarise"` and `pvit run MODEL "Summarise" < notes`. It does not if
/// standard input is meant for others: the input of a shell loop around the program, or a connection that stays open.
enum PipedInput {
    private enum Kind {
        /// A terminal, a device such as /dev/null, or nothing.
        case none
        /// A file. `isBegun` tells whether some of it was read already, for example by a shell's `while read`.
        case file(isBegun: Bool)
        case pipe
        /// A socket, as remote shells and some parent processes provide. It may never end.
        case socket
    }

    /// The time without input on a pipe before a note is printed, and before it is an error, in milliseconds.
    private static let patience: (note: Int32, error: Int32) = (1000, 10_000)

    /// The text that belongs to a prompt; nil if there is none.
    ///
    /// - Throws: `input.idle` if a pipe provides nothing for too long, and the errors of reading.
    static func textBesidePrompt() throws -> String? {
        switch kind {
        case .none: return nil
        case .file(isBegun: true):
            note("standard input is ignored, because some of it was read before: give - as PROMPT to read the rest")
            return nil
        case .socket:
            guard isReadable(within: 0), bytesAreWaiting else { return nil }
            note("standard input is ignored, because it is a socket: give - as PROMPT to read it")
            return nil
        case .pipe: try waitForPipe()
        case .file: break
        }
        let bytes = try readStandardInput()
        guard !bytes.isEmpty else { return nil }
        note(
            "standard input (\(ByteCount(rawValue: UInt64(bytes.count)))) is appended to the prompt; --no-stdin "
                + "ignores it"
        )
        return text(of: bytes)
    }

    /// Reads the prompt from standard input.
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
            remedy: "give a PROMPT, or pipe text into the program")
    }

    /// Decodes bytes, without the line feed at the end.
    private static func text(of bytes: [UInt8]) -> String {
        if String(validating: bytes, as: UTF8.self) == nil {
            note("standard input is not all UTF-8; other bytes are read as \u{FFFD}")
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
        note("waiting for standard input, which is an open pipe; --no-stdin ignores it")
        guard isReadable(within: patience.error - patience.note) else {
            throw PVITError(
                .idleInput, "standard input is an open pipe that has provided nothing for 10 seconds",
                remedy: "ignore it with --no-stdin or < /dev/null, or wait for it with - as PROMPT")
        }
    }

    /// Whether input, or its end, arrives within a time.
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
    /// Standard input provides nothing and does not end.
    static let idleInput = Self("input.idle", .missingInput)
}
