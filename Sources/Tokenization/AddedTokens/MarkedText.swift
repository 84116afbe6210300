import Tensors

/// The bytes of a text, and the ranges in which special tokens are parsed.
struct MarkedText: Sendable {
    private(set) var bytes: [UInt8]
    /// The ranges in which special tokens are parsed: ascending, not adjacent, not empty.
    private(set) var parsedRanges: [Range<Int>]
    /// Other added tokens that are parsed in these ranges only.
    private(set) var reserved: Set<TokenID> = []

    /// Creates a text in which special tokens are parsed everywhere or nowhere.
    init(_ bytes: [UInt8], parseSpecial: Bool) {
        self.init(bytes, parsedRanges: parseSpecial ? [0..<bytes.count] : [])
    }

    /// Joins segments. Adjacent segments of the same kind become one range.
    init(_ segments: [TextSegment], reserving reserved: Set<TokenID> = []) {
        var bytes: [UInt8] = []
        var ranges: [Range<Int>] = []
        for segment in segments {
            let start = bytes.count
            bytes += segment.text.utf8
            if segment.parsesSpecial { ranges.append(start..<bytes.count) }
        }
        self.init(bytes, parsedRanges: ranges, reserved: reserved)
    }

    private init(_ bytes: [UInt8], parsedRanges: [Range<Int>], reserved: Set<TokenID> = []) {
        self.bytes = bytes
        self.reserved = reserved
        self.parsedRanges = []
        for range in parsedRanges where !range.isEmpty {
            if let last = self.parsedRanges.last, last.upperBound == range.lowerBound {
                self.parsedRanges[self.parsedRanges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                self.parsedRanges.append(range)
            }
        }
    }

    /// A range of the text.
    subscript(range: Range<Int>) -> MarkedText {
        MarkedText(
            Array(bytes[range]),
            parsedRanges: parsedRanges.map { $0.clamped(to: range) }.map {
                $0.lowerBound - range.lowerBound..<$0.upperBound - range.lowerBound
            }, reserved: reserved)
    }

    /// The text after `prefix`. Special tokens are parsed in the prefix if they are at the first byte.
    func prepending(_ prefix: [UInt8]) -> MarkedText {
        func moved(_ mark: Int) -> Int { mark == 0 ? 0 : mark + prefix.count }
        return MarkedText(
            prefix + bytes, parsedRanges: parsedRanges.map { moved($0.lowerBound)..<moved($0.upperBound) },
            reserved: reserved)
    }

    /// The text with each occurrence of `pattern` replaced. A range that begins or ends inside an occurrence then
    /// begins or ends after the replacement.
    func replacing(_ pattern: [UInt8], with content: [UInt8]) -> MarkedText {
        var marks = parsedRanges.flatMap { [$0.lowerBound, $0.upperBound] }
        let bytes = TextNormalizer.replace(pattern, with: content, in: bytes, marks: &marks)
        return MarkedText(
            bytes, parsedRanges: parsedRanges.indices.map { marks[2 * $0]..<marks[2 * $0 + 1] }, reserved: reserved)
    }
}

/// Looks up positions of a `MarkedText`, in ascending order, in its parsed ranges.
struct ParsedRanges {
    private let ranges: [Range<Int>]
    private let end: Int
    private var next = 0

    init(_ text: MarkedText) {
        ranges = text.parsedRanges
        end = text.bytes.count
    }

    /// Whether special tokens are parsed at a position, and where this changes next.
    mutating func lookUp(_ position: Int) -> (parsesSpecial: Bool, end: Int) {
        while next < ranges.count, ranges[next].upperBound <= position { next += 1 }
        guard next < ranges.count else { return (false, end) }
        let range = ranges[next]
        return range.lowerBound <= position ? (true, range.upperBound) : (false, range.lowerBound)
    }

    /// Whether one parsed range contains all of `range`, which begins at the last position or after it.
    func contain(_ range: Range<Int>) -> Bool {
        guard let parsed = ranges[next...].first(where: { $0.upperBound > range.lowerBound }) else { return false }
        return parsed.lowerBound <= range.lowerBound && range.upperBound <= parsed.upperBound
    }
}
