/// Reads messages, which may be of several lines: a line that ends in `\` goes on in the next one, and so does a text
/// between `"""` and `"""`.
struct MessageReader {
    /// What was read.
    enum Message: Equatable {
        case message(Typed)
        /// Ctrl-C; whether there was nothing to clear.
        case interrupted(wasEmpty: Bool)
        case end
    }

    /// A message that was typed.
    struct Typed: Equatable {
        /// As it was edited, its lines joined.
        let line: String
        /// The same with pasted texts in it.
        let text: String
        /// Whether it may be a command: neither quoted nor pasted.
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

    /// A message of lines; nil when it goes on.
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

    /// A quoted text without the line ends beside its quotation marks.
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
