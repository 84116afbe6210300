import Storage
import Testing

@Suite("CRC-32")
struct CRC32Tests {
    /// Values of Python's `zlib.crc32`.
    @Test(
        "agrees with zlib",
        arguments: [("", 0), ("a", 0xE8B7_BE43), ("123456789", 0xCBF4_3926), ("The quick brown fox", 0xB745_74DE)]
            as [(String, UInt32)])
    func agreement(text: String, expected: UInt32) {
        var checksum = CRC32()
        checksum.update(Array(text.utf8).span.bytes)
        #expect(checksum.value == expected)
    }

    @Test("does not depend on how the bytes are cut into chunks", arguments: [1, 2, 7, 64, 1000])
    func chunks(size: Int) {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * $0) }
        var checksum = CRC32()
        for start in stride(from: 0, to: bytes.count, by: size) {
            checksum.update(bytes.span.bytes.extracting(start..<min(start + size, bytes.count)))
            checksum.update(RawSpan())
        }
        #expect(checksum.value == 0xBE2C_3C2D)
    }
}
