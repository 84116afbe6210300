/// The checksums of PNG chunks.
public enum PNGChecksums {
    /// Computes the checksums of all chunks anew, so that decoders get past them. Stops at a chunk that exceeds the
    /// file.
    public static func mend(_ bytes: inout [UInt8]) {
        var start = 8
        while start + 12 <= bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - start - 12 else { return }
            let end = start + 8 + length
            bytes.replaceSubrange(end..<end + 4, with: bigEndian(checksum(bytes[start + 4..<end])))
            start = end + 4
        }
    }

    /// The CRC-32 of some bytes, as PNG defines it.
    public static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }

    /// The four bytes of a number, the highest first.
    public static func bigEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
}
