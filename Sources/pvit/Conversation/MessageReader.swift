/// Reads messages, which may have several lines: a line that ends in `\` continues on the next one, and a text between
/// `"""` and `"""` may span lines.
struct MessageReader {
    /// The result of reading.
    enum Message: Equatable {
        case message(Typed)
        /// Ctrl-C. `wasEmpty` tells whether nothing was typed.
        case interrupted(wasEmpty: Bool)
        case end
    }

    /// A message that was typed.
    struct Typed: Equatable {
        /// The message as edited, with its lines joined.
        let line: String
        /// The message with pasted texts inserted.
        let text: String
        /// Whether the message may be a command, because it is neither quoted nor pasted.
        let mayBeCommand: Bool
    }

    private static let quote = "\"\"\""
    let editor: LineEditor

    /// Reads a message.
    func read() -> Message {
        var lines: [String] = []
        while true {
            switch editor.readLine(lines.isEmpty ? ">" : ".") {
            case .end: return .end
            case .interrupted(let wasEmpty): return .interrupted(wasEmpty: wasEmpty && lines.isEmpty)
            case .text(let line): lines.append(line)
            }
            if let line = Self.joined(lines) {
                return .message(
                    Typed(line: line, text: expanded(line), mayBeCommand: lines[0].hasPrefix("/")))
            }
        }
    }

    /// Joins lines to a message. nil if the message is not complete.
    static func joined(_ lines: [String]) -> String? {
        guard let first = lines.first, let last = lines.last else { return nil }
        if first.hasPrefix(quote) {
            let text = lines.joined(separator: "\n").dropFirst(quote.count)
            guard last.hasSuffix(quote), text.count >= quote.count else { return nil }
            return trimmed(text.dropLast(quote.count))
        }
        guard !last.hasSuffix("\\") else { return nil }
        return (lines.dropLast().map { String($0.dropLast()) } + [last]).joined(separator: "\n")
    }

    /// A quoted text without the line ends next to its quotation marks.
    private static func trimmed(_ text: Substring) -> String {
        var text = text
        if text.first == "\n" { text.removeFirst() }
        if text.last == "\n" { text.removeLast() }
        return String(text)
    }

    private func expanded(_ line: String) -> String {
        var text = editor.pastes.expanded(line)
        while text.last == "\n" { text.removeLast() }
        return text
    }
}
