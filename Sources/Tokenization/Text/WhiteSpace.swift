/// White space characters. Libraries define them differently.
enum WhiteSpace: Sendable {
    /// `\s` of regular expressions: the Unicode property White_Space.
    case unicode
    /// Python's `str.isspace`: White_Space and the four information separators U+001C to U+001F.
    case python

    /// Whether a scalar value is white space.
    func contains(_ value: UInt32) -> Bool {
        switch value {
        case 0x09...0x0D, 0x20: true
        case 0x1C...0x1F: self == .python
        case ..<0x80: false
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// The end of the white space that starts at `position`.
    func end(from position: Int, in text: Span<UInt8>, limit: Int) -> Int {
        var end = position
        while end < limit {
            let (value, length) = UTF8Scalars.scalar(in: text, at: end)
            guard contains(value) else { break }
            end += length
        }
        return end
    }

    /// The start of the white space that ends at `position`, not before `limit`.
    func start(before position: Int, in text: Span<UInt8>, limit: Int) -> Int {
        var start = position
        while start > limit {
            let candidate = UTF8Scalars.start(before: start, in: text)
            guard contains(UTF8Scalars.scalar(in: text, at: candidate).value) else { break }
            start = candidate
        }
        return start
    }
}
