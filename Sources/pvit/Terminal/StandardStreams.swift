import Glibc
import Storage

/// Standard output, unbuffered, so that an answer appears as it is generated.
enum StandardOutput {
    /// Whether standard output is a terminal.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Writes text.
    ///
    /// - Throws: `file.write-failed`, for example if the disk is full.
    static func write(_ text: String) throws {
        guard writeAll(Array(text.utf8), to: STDOUT_FILENO) else {
            throw PVITError(.writeFailed, "writing to standard output failed: \(String(cString: strerror(errno)))")
        }
    }

    /// Writes a value as indented JSON and a line feed.
    static func write(json value: JSONValue) throws {
        try write(String(decoding: value.encoded(indentation: 2), as: UTF8.self) + "\n")
    }
}

/// Standard error. Failures to write to it are ignored, because they could not be reported anywhere.
enum StandardError {
    /// Whether standard error is a terminal.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes text.
    static func write(_ text: String) {
        _ = writeAll(Array(text.utf8), to: STDERR_FILENO)
    }
}

/// Writes all bytes to a descriptor. Returns false, with the reason in `errno`, if that fails.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if written < 0 {
            if errno == EINTR { continue }
            return false
        }
        rest = rest.dropFirst(written)
    }
    return true
}
