import ChecksumSupport

/// Writes a PNG file chunk by chunk. It need not be valid.
struct PNGBytes {
    private(set) var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Adds a chunk with a checksum, which may be wrong.
    mutating func add(_ type: String, _ content: [UInt8], checksumOff: UInt32 = 0, length: UInt32? = nil) {
        let body = Array(type.utf8) + content
        bytes +=
            PNGChecksums.bigEndian(length ?? UInt32(content.count)) + body
            + PNGChecksums.bigEndian(PNGChecksums.checksum(body) ^ checksumOff)
    }

    /// Adds the header.
    mutating func addHeader(
        width: UInt32, height: UInt32, depth: UInt8 = 8, colorType: UInt8 = 2, interlacing: UInt8 = 0
    ) {
        add(
            "IHDR",
            PNGChecksums.bigEndian(width) + PNGChecksums.bigEndian(height) + [depth, colorType, 0, 0, interlacing])
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
        return head + content + PNGChecksums.bigEndian(sums.1 << 16 | sums.0)
    }
}
