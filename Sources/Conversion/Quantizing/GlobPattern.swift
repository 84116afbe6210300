/// A pattern for tensor names: `*` matches any text, `?` one character, everything else itself.
struct GlobPattern: Sendable, Hashable {
    private let pattern: [Character]

    init(_ text: String) { pattern = Array(text) }

    /// Whether the pattern is a name without wildcards.
    var isName: Bool { !pattern.contains { $0 == "*" || $0 == "?" } }

    /// Whether the whole of `text` fits. Takes time proportional to the product of both lengths.
    func matches(_ text: String) -> Bool {
        let text = Array(text)
        var place = 0
        var next = 0
        // Where to go on when a character does not fit: behind the last star, one character further each time.
        var retry: (afterStar: Int, place: Int)?
        while place < text.count {
            if next < pattern.count, pattern[next] == "*" {
                next += 1
                retry = (next, place)
            } else if next < pattern.count, pattern[next] == "?" || pattern[next] == text[place] {
                next += 1
                place += 1
            } else if let star = retry {
                next = star.afterStar
                place = star.place + 1
                retry = (star.afterStar, place)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == "*" }
    }
}
