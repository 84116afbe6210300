import Glibc

/// Reads characters from a terminal, and handles the events that interrupt this.
final class TerminalInput {
    /// The sequence after a pasted text: `ESC [ 201 ~`.
    private static let pasteEnd = Array("\u{1B}[201~".utf8)

    private let events: Int32
    private let changed: (TerminalSession.Event) -> Void
    private var bytes: [UInt8] = []
    private var position = 0

    /// - Parameters:
    ///   - events: The descriptor that `TerminalSession.begin` returned.
    ///   - changed: Called when the window's size changes, and when the program resumes after a stop.
    init(events: Int32, changed: @escaping (TerminalSession.Event) -> Void) {
        self.events = events
        self.changed = changed
    }

    deinit { close(events) }

    /// Why there is no next character.
    enum End: Error {
        /// Ctrl-C.
        case interrupted
        /// The terminal is gone.
        case closed
    }

    /// Reads the next character. Bytes that are not UTF-8 give U+FFFD.
    ///
    /// - Throws: `End`.
    func next() throws(End) -> Unicode.Scalar {
        let first = try nextByte()
        let length =
            first < 0x80 ? 1 : first >> 5 == 0b110 ? 2 : first >> 4 == 0b1110 ? 3 : first >> 3 == 0b11110 ? 4 : 1
        var sequence = [first]
        while sequence.count < length {
            if position == bytes.count { try fill() }
            guard bytes[position] >> 6 == 0b10 else { break }
            sequence.append(bytes[position])
            position += 1
        }
        return String(decoding: sequence, as: UTF8.self).unicodeScalars.first ?? "\u{FFFD}"
    }

    /// Reads a pasted text after the sequence that begins it. Its lines are separated by line feeds.
    ///
    /// - Throws: `End`.
    func paste() throws(End) -> String {
        var text: [UInt8] = []
        while !text.ends(with: Self.pasteEnd) { text.append(try nextByte()) }
        text.removeLast(Self.pasteEnd.count)
        return String(decoding: text, as: UTF8.self).replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    }

    /// Takes text without control characters that arrived all at once, up to its last character. nil if it is short.
    ///
    /// This speeds up pastes that the terminal does not mark: the line is not drawn again for each character.
    func burst() -> String? {
        let run = bytes[position...].prefix { $0 >= 0x20 && $0 != 0x7F }
        guard run.count > 64, let last = run.lastIndex(where: { $0 >> 6 != 0b10 }) else { return nil }
        position = last
        return String(decoding: run[..<last], as: UTF8.self)
    }

    /// Discards what was typed but not read.
    func discard() {
        bytes = []
        position = 0
    }

    private func nextByte() throws(End) -> UInt8 {
        if position == bytes.count { try fill() }
        defer { position += 1 }
        return bytes[position]
    }

    /// Waits for more bytes.
    private func fill() throws(End) {
        while true {
            var waiting = [
                pollfd(fd: events, events: Int16(POLLIN), revents: 0),
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, nfds_t(waiting.count), -1) >= 0 else { continue }
            if waiting[0].revents != 0, try takeEvents() { throw .interrupted }
            guard waiting[1].revents != 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { throw .closed }
            bytes = Array(buffer[..<count])
            position = 0
            return
        }
    }

    /// Reports pending events. Returns whether Ctrl-C was pressed.
    private func takeEvents() throws(End) -> Bool {
        var isInterrupted = false
        var byte: UInt8 = 0
        while read(events, &byte, 1) == 1 {
            switch TerminalSession.Event(rawValue: byte) {
            case .interrupt: isInterrupted = true
            case .resize, .resume: TerminalSession.Event(rawValue: byte).map(changed)
            case nil: break
            }
        }
        if isInterrupted { discard() }
        return isInterrupted
    }
}

extension Array where Element == UInt8 {
    fileprivate func ends(with suffix: [UInt8]) -> Bool {
        count >= suffix.count && last == suffix.last && self[(count - suffix.count)...].elementsEqual(suffix)
    }
}
