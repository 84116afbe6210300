/// Finds regions in prompts, as the regular expression of PVIT's code does:
/// `<Region>(\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*<L(\d{1,4})>\s*)</Region>`, with Python's notion of white
/// space and digits.
enum RegionSyntax {
    /// A region in a text.
    struct Match {
        /// What is between the tags.
        let inner: [Unicode.Scalar]
        let location: RegionLocation
    }

    static let opening = Array("<Region>".unicodeScalars)
    static let closing = Array("</Region>".unicodeScalars)
    private static let locationOpening = Array("<L".unicodeScalars)
    private static let maximumDigits = 4

    /// The regions of a text in their order. What does not have the form is passed over.
    static func matches(in text: [Unicode.Scalar]) -> [Match] {
        var matches: [Match] = []
        var place = 0
        while place < text.count {
            if text[place] == "<", let (match, end) = match(in: text, at: place) {
                matches.append(match)
                place = end
            } else {
                place += 1
            }
        }
        return matches
    }

    /// How many regions a text has.
    static func count(in text: String) -> Int { matches(in: Array(text.unicodeScalars)).count }

    private static func match(in text: [Unicode.Scalar], at start: Int) -> (Match, end: Int)? {
        var cursor = Cursor(text, at: start)
        guard cursor.skip(opening) else { return nil }
        let innerStart = cursor.place
        var numbers: [Int] = []
        for _ in 0..<4 {
            cursor.skipWhiteSpace()
            guard cursor.skip(locationOpening), let number = cursor.number(maximumDigits: maximumDigits),
                cursor.skip([">"])
            else { return nil }
            numbers.append(number)
        }
        cursor.skipWhiteSpace()
        let innerEnd = cursor.place
        guard cursor.skip(closing) else { return nil }
        let location = RegionLocation(left: numbers[0], top: numbers[1], right: numbers[2], bottom: numbers[3])
        return (Match(inner: Array(text[innerStart..<innerEnd]), location: location), cursor.place)
    }

    private struct Cursor {
        private let text: [Unicode.Scalar]
        private(set) var place: Int

        init(_ text: [Unicode.Scalar], at place: Int) {
            self.text = text
            self.place = place
        }

        mutating func skip(_ expected: [Unicode.Scalar]) -> Bool {
            guard text[place...].starts(with: expected) else { return false }
            place += expected.count
            return true
        }

        mutating func skipWhiteSpace() {
            // Python counts the information separators U+001C to U+001F too.
            while place < text.count, text[place].properties.isWhitespace || (0x1C...0x1F).contains(text[place].value) {
                place += 1
            }
        }

        /// The value of up to so many decimal digits of any script, or nil when there is none.
        mutating func number(maximumDigits: Int) -> Int? {
            var value: Int?
            for _ in 0..<maximumDigits {
                guard place < text.count, text[place].properties.numericType == .decimal,
                    let digit = text[place].properties.numericValue
                else { break }
                value = (value ?? 0) * 10 + Int(digit)
                place += 1
            }
            return value
        }
    }
}
