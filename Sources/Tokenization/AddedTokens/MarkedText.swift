import Tensors

/// Bytes of a text, and where in them special tokens are recognised.
struct MarkedText: Sendable {
    private(set) var bytes: [UInt8]
    /// Where special tokens are recognised: ascending stretches with gaps between them, none empty.
    private(set) var recognised: [Range<Int>]
    /// Other added tokens that are recognised nowhere else.
    private(set) var reserved: Set<TokenID> = []

    /// Creates a text in which special tokens are recognised everywhere or nowhere.
    init(_ bytes: [UInt8], recogniseSpecial: Bool) {
        self.init(bytes, recognised: recogniseSpecial ? [0..<bytes.count] : [])
    }

    /// Joins segments. Borders between segments of the same sort disappear.
    init(_ segments: [TextSegment], reserving reserved: Set<TokenID> = []) {
        var bytes: [UInt8] = []
        var recognised: [Range<Int>] = []
        for segment in segments {
            let start = bytes.count
            bytes += segment.text.utf8
            if segment.recognisesSpecial { recognised.append(start..<bytes.count) }
        }
        self.init(bytes, recognised: recognised, reserved: reserved)
    }

    private init(_ bytes: [UInt8], recognised: [Range<Int>], reserved: Set<TokenID> = []) {
        self.bytes = bytes
        self.reserved = reserved
        self.recognised = []
        for range in recognised where !range.isEmpty {
            if let last = self.recognised.last, last.upperBound == range.lowerBound {
                self.recognised[self.recognised.count - 1] = last.lowerBound..<range.upperBound
            } else {
                self.recognised.append(range)
            }
        }
    }

    /// A part of the text.
    subscript(range: Range<Int>) -> MarkedText {
        MarkedText(
            Array(bytes[range]),
            recognised: recognised.map { $0.clamped(to: range) }.map {
                $0.lowerBound - range.lowerBound..<$0.upperBound - range.lowerBound
            }, reserved: reserved)
    }

    /// The text with `prefix`, which belongs to what the first byte belongs to, before it.
    func prepending(_ prefix: [UInt8]) -> MarkedText {
        func moved(_ mark: Int) -> Int { mark == 0 ? 0 : mark + prefix.count }
        return MarkedText(
            prefix + bytes, recognised: recognised.map { moved($0.lowerBound)..<moved($0.upperBound) },
            reserved: reserved)
    }

    /// The text with each occurrence of `pattern` replaced. A border inside of one moves behind it.
    func replacing(_ pattern: [UInt8], with content: [UInt8]) -> MarkedText {
        var marks = recognised.flatMap { [$0.lowerBound, $0.upperBound] }
        let bytes = TextNormalizer.replace(pattern, with: content, in: bytes, marks: &marks)
        return MarkedText(
            bytes, recognised: recognised.indices.map { marks[2 * $0]..<marks[2 * $0 + 1] }, reserved: reserved)
    }
}

/// Walks along the stretches of a `MarkedText`, for places that never go back.
struct RecognisedStretches {
    private let stretches: [Range<Int>]
    private let end: Int
    private var next = 0

    init(_ text: MarkedText) {
        stretches = text.recognised
        end = text.bytes.count
    }

    /// The stretch around a place, of one sort: whether special tokens are recognised, and where it ends.
    mutating func stretch(at place: Int) -> (recognisesSpecial: Bool, end: Int) {
        while next < stretches.count, stretches[next].upperBound <= place { next += 1 }
        guard next < stretches.count else { return (false, end) }
        let stretch = stretches[next]
        return stretch.lowerBound <= place ? (true, stretch.upperBound) : (false, stretch.lowerBound)
    }

    /// Whether all of a range that begins at the last place or behind it lies in one stretch that recognises special
    /// tokens.
    func contain(_ range: Range<Int>) -> Bool {
        guard let stretch = stretches[next...].first(where: { $0.upperBound > range.lowerBound }) else { return false }
        return stretch.lowerBound <= range.lowerBound && range.upperBound <= stretch.upperBound
    }
}
