import Glibc
import Storage
import SystemPackage

/// The file of `--history`, which keeps the user's messages from one conversation to the next.
///
/// The file has a heading, and then a line for each message. Line feeds are written as `\n`, and `\` as `\\`.
struct InputHistory {
    private static let heading = "# questions to pvit run"
    private static let maximumByteCount: UInt64 = 64 << 20

    let path: FilePath
    /// The messages in the file, the oldest first.
    private(set) var lines: [String] = []

    /// Reads the file, or creates it.
    ///
    /// - Throws: `history.file` if it is another kind of file; errors of reading and writing.
    init(path: FilePath) throws {
        self.path = path
        var status = stat()
        if stat(path.string, &status) != 0 || status.st_mode & S_IFMT == S_IFREG && status.st_size == 0 {
            try append(Self.heading)
            return
        }
        func foreign() -> PVITError {
            PVITError(
                .historyFile, "the file is not a history of messages", file: path,
                remedy: "give another file, or one that does not exist yet")
        }
        guard status.st_mode & S_IFMT == S_IFREG, UInt64(status.st_size) <= Self.maximumByteCount else {
            throw foreign()
        }
        let file = try MappedFile(path: path)
        let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        let text = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
        guard text.first.map(String.init) == Self.heading else { throw foreign() }
        lines = text.dropFirst().suffix(LineEditor.historyCount).map { Self.unescaped($0) }
    }

    /// Appends a message to the file.
    ///
    /// - Throws: `file.write-failed`.
    func add(_ text: String) throws {
        try append(text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n"))
    }

    private func append(_ line: String) throws {
        // Other conversations may append too, so write the line with a single call in append mode.
        let descriptor = open(path.string, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw PVITError(.cannotCreate, "the history cannot be written: \(Errno(rawValue: errno))", file: path)
        }
        defer { close(descriptor) }
        guard writeAll(Array((line + "\n").utf8), to: descriptor) else {
            throw PVITError(.writeFailed, "writing failed: \(Errno(rawValue: errno))", file: path)
        }
    }

    private static func unescaped(_ line: Substring) -> String {
        var result = ""
        var isEscaped = false
        for character in line {
            if isEscaped {
                result.append(character == "n" ? "\n" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                result.append(character)
            }
        }
        return result
    }
}

extension PVITError.Code {
    /// The file of `--history` is of another kind.
    static let historyFile = Self("history.file", .usage)
}
