/// Decodes bytes that need not be valid UTF-8, with the two repairs that tokenizer libraries use.
enum UTF8Repair {
    /// The replacement for invalid bytes: U+FFFD.
    static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// How invalid bytes are replaced by U+FFFD.
    enum Policy: Sendable {
        /// One replacement for each maximal subpart of a character, as Unicode recommends ("substitution of maximal
        /// subparts") and Python's `errors="replace"` and Rust's `from_utf8_lossy` do.
        case maximalSubparts
        /// One replacement for each byte that does not begin a valid character, as in `sentencepiece`.
        case eachByte
    }

    /// The bytes at a position, with their number.
    enum Step: Equatable {
        /// A character.
        case character(Int)
        /// The valid start of a character that the end of the text cuts off.
        case incomplete(Int)
        /// Bytes that are not the start of a character.
        case invalid(Int)
    }

    /// Examines the bytes at `position`, which must be inside the text (Unicode 16, table 3-7).
    static func step(in text: Span<UInt8>, at position: Int) -> Step {
        let first = text[position]
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
            guard position + offset < text.count else { return .incomplete(offset) }
            let byte = text[position + offset]
            guard byte >= low, byte <= high else { return .invalid(offset) }
            (low, high) = (0x80, 0xBF)
        }
        return .character(length)
    }

    /// Whether all bytes are valid UTF-8.
    static func isValid(_ text: Span<UInt8>) -> Bool {
        var position = 0
        while position < text.count {
            guard case .character(let length) = step(in: text, at: position) else { return false }
            position += length
        }
        return true
    }

    /// The bytes with invalid ones replaced.
    static func repair(_ bytes: [UInt8], _ policy: Policy) -> [UInt8] {
        let text = bytes.span
        if isValid(text) { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + 64)
        var position = 0
        while position < text.count {
            switch step(in: text, at: position) {
            case .character(let length):
                result.append(contentsOf: bytes[position..<position + length])
                position += length
            case .incomplete(let length), .invalid(let length):
                result.append(contentsOf: replacement)
                position += policy == .eachByte ? 1 : length
            }
        }
        return result
    }
}

/// Decodes bytes that arrive in chunks. Outputs whole characters only.
struct UTF8Stream: Sendable {
    private let policy: UTF8Repair.Policy
    private var pending: [UInt8] = []

    init(_ policy: UTF8Repair.Policy) { self.policy = policy }

    /// Takes bytes and appends complete characters to `output`.
    mutating func append(_ bytes: some Sequence<UInt8>, to output: inout [UInt8]) {
        pending.append(contentsOf: bytes)
        settle(isEnd: false, into: &output)
    }

    /// Appends the rest to `output`. Then the stream can be used anew.
    mutating func finish(into output: inout [UInt8]) { settle(isEnd: true, into: &output) }

    private mutating func settle(isEnd: Bool, into output: inout [UInt8]) {
        var position = 0
        scan: while position < pending.count {
            switch UTF8Repair.step(in: pending.span, at: position) {
            case .character(let length):
                output.append(contentsOf: pending[position..<position + length])
                position += length
            case .incomplete(let length):
                guard isEnd else { break scan }
                output.append(contentsOf: UTF8Repair.replacement)
                position += policy == .eachByte ? 1 : length
            case .invalid(let length):
                output.append(contentsOf: UTF8Repair.replacement)
                position += policy == .eachByte ? 1 : length
            }
        }
        pending.removeFirst(position)
    }
}

/// Reads scalar values in valid UTF-8.
enum UTF8Scalars {
    /// The length of the character that starts with `byte`; 1 for a byte that cannot start one.
    static func length(startingWith byte: UInt8) -> Int {
        switch byte {
        case 0xC0...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xFF: 4
        default: 1
        }
    }

    /// The scalar value at a position in valid UTF-8, and its length in bytes. Never reads past the end.
    static func scalar(in text: Span<UInt8>, at position: Int) -> (value: UInt32, length: Int) {
        let first = text[position]
        let length = min(length(startingWith: first), text.count - position)
        switch length {
        case 1: return (UInt32(first), 1)
        case 2: return (UInt32(first & 0x1F) << 6 | low(text[position + 1]), 2)
        case 3: return (UInt32(first & 0x0F) << 12 | low(text[position + 1]) << 6 | low(text[position + 2]), 3)
        default:
            let high = UInt32(first & 0x07) << 18 | low(text[position + 1]) << 12
            return (high | low(text[position + 2]) << 6 | low(text[position + 3]), 4)
        }
    }

    /// The start of the character before `position` in valid UTF-8; `position` must be above 0.
    static func start(before position: Int, in text: Span<UInt8>) -> Int {
        var start = position - 1
        while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    private static func low(_ byte: UInt8) -> UInt32 { UInt32(byte & 0x3F) }
}
