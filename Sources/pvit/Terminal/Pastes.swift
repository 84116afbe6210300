/// Pasted texts of several lines, or long ones: the line that is edited shows each as a short text in brackets, which
/// stands for it until the line is used.
struct Pastes {
    /// The longest text that is inserted as it is, in characters.
    private static let shortLength = 1000
    private var texts: [String] = []

    /// Takes a pasted text; gives what the line shows of it.
    mutating func take(_ text: String) -> String {
        guard text.contains("\n") || text.count > Self.shortLength else { return text }
        let content = text.split(separator: "\n", omittingEmptySubsequences: false)
        // A line that was copied with its end is a line, and does not send itself.
        if content.count == 2, content[1].isEmpty, content[0].count <= Self.shortLength { return String(content[0]) }
        return shown(text)
    }

    /// What a line shows of a text: the text itself when it is short.
    mutating func shown(_ text: String) -> String {
        guard text.contains("\n") || text.count > Self.shortLength else { return text }
        let place = texts.firstIndex(of: text) ?? texts.count
        if place == texts.count { texts.append(text) }
        return mark(place)
    }

    /// A line with the texts in place of what it shows of them.
    func expanded(_ line: String) -> String {
        guard line.contains("[paste ") else { return line }
        var result = ""
        var rest = line[...]
        // Texts that were put in are not looked through: one may contain what stands for another.
        while let opening = rest.firstRange(of: "[paste ") {
            result += rest[..<opening.lowerBound]
            rest = rest[opening.lowerBound...]
            if let place = texts.indices.first(where: { rest.hasPrefix(mark($0)) }) {
                result += texts[place]
                rest = rest.dropFirst(mark(place).count)
            } else {
                result += rest.prefix(1)
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private func mark(_ place: Int) -> String {
        let text = texts[place]
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
        let trailing = text.hasSuffix("\n") ? 1 : 0
        return "[paste \(place + 1): \(lines - trailing) lines, \(text.count) characters]"
    }
}
