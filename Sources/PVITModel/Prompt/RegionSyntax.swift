/// Finds regions in prompts, as the regular expression of PVIT's code does:
/// `<Region>(\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*)</Region>`. White space and digits are
/// Python's.
enum RegionSyntax {
    /// A region in a text.
    struct Match {
        /// The text between the tags.
        let inner: [Unicode.Scalar]
        let location: RegionLocation
    }

    static let opening = Array("<Region>".unicodeScalars)
    static let closing = Array("</Region>".unicodeScalars)
    private static let locationOpening = Array("<L".unicodeScalars)
    private static let maximumDigits = 4

    /// The regions of a text, in order. Anything malformed is skipped.
    static func matches(in text: [Unicode.Scalar]) -> [Match] {
        var matches: [Match] = []
        var index = 0
        while index < text.count {
            if text[index] == "<", let (match, end) = match(in: text, at: index) {
                matches.append(match)
                index = end
            } else {
                index += 1
            }
        }
        return matches
    }

    /// The number of regions in a text.
    static func count(in text: String) -> Int { matches(in: Array(text.unicodeScalars)).count }

    private static func match(in text: [Unicode.Scalar], at start: Int) -> (Match, end: Int)? {
        var cursor = Cursor(text, at: start)
        guard cursor.skip(opening) else { return nil }
        let innerStart = cursor.index
        var numbers: [Int] = []
        for _ in 0..<4 {
            cursor.skipWhiteSpace()
            guard cursor.skip(locationOpening), let number = cursor.number(maximumDigits: maximumDigits),
                cursor.skip([">"])
            else { return nil }
            numbers.append(number)
        }
        cursor.skipWhiteSpace()
        let innerEnd = cursor.index
        guard cursor.skip(closing) else { return nil }
        let location = RegionLocation(left: numbers[0], top: numbers[1], right: numbers[2], bottom: numbers[3])
        return (Match(inner: Array(text[innerStart..<innerEnd]), location: location), cursor.index)
    }

    private struct Cursor {
        private let text: [Unicode.Scalar]
        private(set) var index: Int

        init(_ text: [Unicode.Scalar], at index: Int) {
            self.text = text
            self.index = index
        }

        mutating func skip(_ expected: [Unicode.Scalar]) -> Bool {
            guard text[index...].starts(with: expected) else { return false }
            index += expected.count
            return true
        }

        mutating func skipWhiteSpace() {
            // Python counts the information separators U+001C to U+001F too.
            while index < text.count, text[index].properties.isWhitespace || (0x1C...0x1F).contains(text[index].value) {
                index += 1
            }
        }

        /// Reads up to `maximumDigits` decimal digits of any script. nil if there is none.
        mutating func number(maximumDigits: Int) -> Int? {
            var value: Int?
            for _ in 0..<maximumDigits {
                guard index < text.count, text[index].properties.numericType == .decimal,
                    let digit = text[index].properties.numericValue
                else { break }
                value = (value ?? 0) * 10 + Int(digit)
                index += 1
            }
            return value
        }
    }
}
