/// Writes a PNG file chunk by chunk. It need not be valid.
struct PNGBytes {
    private(set) var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Adds a chunk with a checksum, which may be wrong.
    mutating func add(_ type: String, _ content: [UInt8], checksumOff: UInt32 = 0, length: UInt32? = nil) {
        let body = Array(type.utf8) + content
        bytes += Self.number(length ?? UInt32(content.count)) + body + Self.number(Self.checksum(body) ^ checksumOff)
    }

    /// Adds the header.
    mutating func addHeader(
        width: UInt32, height: UInt32, depth: UInt8 = 8, colorType: UInt8 = 2, interlacing: UInt8 = 0
    ) {
        add("IHDR", Self.number(width) + Self.number(height) + [depth, colorType, 0, 0, interlacing])
    }

    /// Content in an uncompressed zlib stream.
    static func stored(_ content: [UInt8]) -> [UInt8] {
        let count = UInt16(content.count)
        var sums = (UInt32(1), UInt32(0))
        for byte in content {
            sums.0 = (sums.0 + UInt32(byte)) % 65521
            sums.1 = (sums.1 + sums.0) % 65521
        }
        let head: [UInt8] = [
            0x78, 0x01, 1, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8),
        ]
        return head + content + number(sums.1 << 16 | sums.0)
    }

    static func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }
}
