/// Keeps pasted texts that are long or have several lines. In the line being edited, a short label in brackets stands
/// for each.
struct Pastes {
    /// The maximum length of a text that is inserted directly, in characters.
    private static let shortLength = 1000
    private var texts: [String] = []

    /// Takes a pasted text. Returns the text for the line: the pasted text itself, or its label.
    mutating func take(_ text: String) -> String {
        guard text.contains("\n") || text.count > Self.shortLength else { return text }
        let content = text.split(separator: "\n", omittingEmptySubsequences: false)
        // Drop the line end of a single line that was copied with it, so that it does not send the message.
        if content.count == 2, content[1].isEmpty, content[0].count <= Self.shortLength { return String(content[0]) }
        return shown(text)
    }

    /// The text for a line: the text itself if it is short, otherwise its label.
    mutating func shown(_ text: String) -> String {
        guard text.contains("\n") || text.count > Self.shortLength else { return text }
        let index = texts.firstIndex(of: text) ?? texts.count
        if index == texts.count { texts.append(text) }
        return label(index)
    }

    /// Replaces the labels in a line by their texts.
    func expanded(_ line: String) -> String {
        guard line.contains("[paste ") else { return line }
        var result = ""
        var rest = line[...]
        // Do not search the inserted texts: one may contain a label.
        while let opening = rest.firstRange(of: "[paste ") {
            result += rest[..<opening.lowerBound]
            rest = rest[opening.lowerBound...]
            if let index = texts.indices.first(where: { rest.hasPrefix(label($0)) }) {
                result += texts[index]
                rest = rest.dropFirst(label(index).count)
            } else {
                result += rest.prefix(1)
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private func label(_ index: Int) -> String {
        let text = texts[index]
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
        let trailing = text.hasSuffix("\n") ? 1 : 0
        return "[paste \(index + 1): \(lines - trailing) lines, \(text.count) characters]"
    }
}
