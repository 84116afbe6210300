import Storage
import Testing

@Suite("Encodings of texts")
struct TextEncodingTests {
    /// A text in units of two or four bytes.
    private func wide(_ text: String, byteCount: Int, isBigEndian: Bool) -> [UInt8] {
        text.utf16.flatMap { unit in
            let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: UInt32(unit) >> (8 * UInt32($0))) }
            return isBigEndian ? bytes.reversed() : bytes
        }
    }

    @Test("wide encodings are recognised with and without a byte order mark, in both byte orders")
    func wideEncodings() {
        for isBigEndian in [false, true] {
            for (byteCount, encoding) in [(2, TextEncoding.utf16), (4, .utf32)] {
                for mark in ["\u{FEFF}", ""] {
                    let bytes = wide(mark + "Emma Woodhouse, handsome", byteCount: byteCount, isBigEndian: isBigEndian)
                    #expect(TextEncoding(of: bytes) == encoding)
                    #expect(throws: PVITError.self) { try TextEncoding.requireUTF8(bytes) }
                }
            }
        }
    }

    @Test(
        "UTF-8 is never taken for another encoding, whatever it begins with",
        arguments: ["", "a", "é", "\u{FEFF}a", "\0\0\0\0"])
    func narrow(text: String) throws {
        #expect(TextEncoding(of: Array(text.utf8)) == .utf8)
        try TextEncoding.requireUTF8(Array(text.utf8))
    }
}
