import Glibc
import Storage

/// Reads all of standard input.
///
/// - Throws: `file.read-failed`, and `text.encoding` for a text in UTF-16 or UTF-32.
func readStandardInput() throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else {
            throw PVITError(.readFailed, "standard input cannot be read: \(String(cString: strerror(errno)))")
        }
        if count == 0 {
            try TextEncoding.requireUTF8(bytes)
            return bytes
        }
        bytes += buffer[..<count]
    }
}
