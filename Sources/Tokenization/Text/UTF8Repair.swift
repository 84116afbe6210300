/// UTF-8 decoding of bytes that need not be valid, by the two repairs that tokenizer libraries know.
enum UTF8Repair {
    /// What stands for bytes that are no character: U+FFFD.
    static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// How bytes that are not UTF-8 become U+FFFD.
    enum Policy: Sendable {
        /// One for each longest sequence that begins a character: the Unicode recommendation ("substitution of maximal
        /// subparts"), which Python's `errors="replace"` and Rust's `from_utf8_lossy` follow.
        case maximalSubparts
        /// One for each byte that begins no valid character, as `sentencepiece` does.
        case eachByte
    }

    /// What the bytes at a place are.
    enum Step: Equatable {
        /// A character of so many bytes.
        case character(Int)
        /// The text ends within a character of which these bytes are a valid beginning.
        case incomplete(Int)
        /// So many bytes begin no character.
        case invalid(Int)
    }

    /// Looks at the bytes from `place`, which must be inside the text (Unicode 16, table 3-7).
    static func step(in text: Span<UInt8>, at place: Int) -> Step {
        let first = text[place]
        if first < 0x80 { return .character(1) }
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, low) = (3, 0xA0)
        case 0xED: (length, high) = (3, 0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, low) = (4, 0x90)
        case 0xF4: (length, high) = (4, 0x8F)
        case 0xF1...0xF3: length = 4
        default: return .invalid(1)
        }
        for offset in 1..<length {
            guard place + offset < text.count else { return .incomplete(offset) }
            let byte = text[place + offset]
            guard byte >= low, byte <= high else { return .invalid(offset) }
            (low, high) = (0x80, 0xBF)
        }
        return .character(length)
    }

    /// Whether all bytes are UTF-8.
    static func isValid(_ text: Span<UInt8>) -> Bool {
        var place = 0
        while place < text.count {
            guard case .character(let length) = step(in: text, at: place) else { return false }
            place += length
        }
        return true
    }

    /// The bytes with everything that is no character replaced.
    static func repair(_ bytes: [UInt8], _ policy: Policy) -> [UInt8] {
        let text = bytes.span
        if isValid(text) { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + 64)
        var place = 0
        while place < text.count {
            switch step(in: text, at: place) {
            case .character(let length):
                result.append(contentsOf: bytes[place..<place + length])
                place += length
            case .incomplete(let length), .invalid(let length):
                result.append(contentsOf: replacement)
                place += policy == .eachByte ? 1 : length
            }
        }
        return result
    }
}

/// Decodes bytes that arrive piece by piece, and gives out a character only when it is whole.
struct UTF8Stream: Sendable {
    private let policy: UTF8Repair.Policy
    private var pending: [UInt8] = []

    init(_ policy: UTF8Repair.Policy) { self.policy = policy }

    /// Takes bytes and appends to `output` what is certain by now.
    mutating func append(_ bytes: some Sequence<UInt8>, to output: inout [UInt8]) {
        pending.append(contentsOf: bytes)
        settle(isEnd: false, into: &output)
    }

    /// Appends to `output` what is left; the stream is then as new.
    mutating func finish(into output: inout [UInt8]) { settle(isEnd: true, into: &output) }

    private mutating func settle(isEnd: Bool, into output: inout [UInt8]) {
        var place = 0
        scan: while place < pending.count {
            switch UTF8Repair.step(in: pending.span, at: place) {
            case .character(let length):
                output.append(contentsOf: pending[place..<place + length])
                place += length
            case .incomplete(let length):
                guard isEnd else { break scan }
                output.append(contentsOf: UTF8Repair.replacement)
                place += policy == .eachByte ? 1 : length
            case .invalid(let length):
                output.append(contentsOf: UTF8Repair.replacement)
                place += policy == .eachByte ? 1 : length
            }
        }
        pending.removeFirst(place)
    }
}

/// Reading valid UTF-8 by scalar values.
enum UTF8Scalars {
    /// The length of the character that starts with `byte`; 1 for a byte that starts none.
    static func length(startingWith byte: UInt8) -> Int {
        switch byte {
        case 0xC0...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xFF: 4
        default: 1
        }
    }

    /// The scalar value at a place of valid UTF-8, and its length in bytes. Never reads past the end.
    static func scalar(in text: Span<UInt8>, at place: Int) -> (value: UInt32, length: Int) {
        let first = text[place]
        let length = min(length(startingWith: first), text.count - place)
        switch length {
        case 1: return (UInt32(first), 1)
        case 2: return (UInt32(first & 0x1F) << 6 | low(text[place + 1]), 2)
        case 3: return (UInt32(first & 0x0F) << 12 | low(text[place + 1]) << 6 | low(text[place + 2]), 3)
        default:
            let high = UInt32(first & 0x07) << 18 | low(text[place + 1]) << 12
            return (high | low(text[place + 2]) << 6 | low(text[place + 3]), 4)
        }
    }

    /// The start of the character before `place` in valid UTF-8; `place` must be above 0.
    static func start(before place: Int, in text: Span<UInt8>) -> Int {
        var start = place - 1
        while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    private static func low(_ byte: UInt8) -> UInt32 { UInt32(byte & 0x3F) }
}
