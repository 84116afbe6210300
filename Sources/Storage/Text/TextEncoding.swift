/// The encoding of a text, recognised by its first bytes.
package enum TextEncoding: String, Sendable {
    /// UTF-8, or anything else that is not recognised.
    case utf8 = "UTF-8"
    /// 16-bit code units, as some Windows programs write.
    case utf16 = "UTF-16"
    /// 32-bit code units.
    case utf32 = "UTF-32"

    /// The byte order mark in UTF-8, which some editors put in front of a text.
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    /// How many bytes of a text without a byte order mark are examined.
    private static let sampleByteCount = 64

    /// Recognises the encoding by a byte order mark, or by the zero bytes that plain text has in wide encodings.
    package init(of bytes: [UInt8]) {
        let sample = bytes.prefix(Self.sampleByteCount)
        if sample.starts(with: [0xFF, 0xFE, 0, 0]) || sample.starts(with: [0, 0, 0xFE, 0xFF]) {
            self = .utf32
        } else if sample.starts(with: [0xFF, 0xFE]) || sample.starts(with: [0xFE, 0xFF]) {
            self = .utf16
        } else if Self.isWide(sample, unitByteCount: 4) {
            self = .utf32
        } else if Self.isWide(sample, unitByteCount: 2) {
            self = .utf16
        } else {
            self = .utf8
        }
    }

    /// Whether every unit has exactly one byte that is not zero, always the first or always the last.
    private static func isWide(_ sample: ArraySlice<UInt8>, unitByteCount: Int) -> Bool {
        guard sample.count >= 2 * unitByteCount else { return false }
        return [0, unitByteCount - 1].contains { position in
            sample.indices.allSatisfy { (sample[$0] != 0) == ($0 % unitByteCount == position) }
        }
    }

    /// The bytes of a UTF-8 text without a leading byte order mark.
    package static func withoutMark(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
    }

    /// How to convert a text in this encoding.
    var remedy: String { "convert it: iconv -f \(rawValue) -t UTF-8 OLD > NEW" }

    /// Throws `text.encoding` for a text in UTF-16 or UTF-32.
    package static func requireUTF8(_ bytes: [UInt8]) throws {
        let encoding = Self(of: bytes)
        guard encoding != .utf8 else { return }
        throw PVITError(
            .textEncoding, "the text is in \(encoding.rawValue), and UTF-8 is needed", remedy: encoding.remedy)
    }
}

extension PVITError.Code {
    /// A text is in UTF-16 or UTF-32.
    public static let textEncoding = Self("text.encoding", .badData)
}
