/// The checksum of ZIP archives: CRC-32 with the reflected polynomial 0xEDB88320.
struct CRC32 {
    private var state: UInt32 = 0xFFFF_FFFF

    /// Takes in the next bytes, eight at a time ("slicing by 8").
    mutating func update(_ bytes: RawSpan) {
        var position = 0
        let tables = Self.tables
        while bytes.byteCount - position >= 8 {
            let word =
                UInt64(
                    littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(state)
            var next: UInt32 = 0
            for place in 0..<8 { next ^= tables[(7 - place) << 8 | Int(word >> (8 * UInt64(place)) & 0xFF)] }
            state = next
            position += 8
        }
        while position < bytes.byteCount {
            let byte = bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self)
            state = tables[Int((state ^ UInt32(byte)) & 0xFF)] ^ state >> 8
            position += 1
        }
    }

    /// The checksum of all bytes so far.
    var value: UInt32 { ~state }

    /// `tables[k << 8 | b]` is the effect of byte `b` followed by `k` zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 << 8)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            tables[byte] = value
        }
        for place in 256..<tables.count {
            let previous = tables[place - 256]
            tables[place] = tables[Int(previous & 0xFF)] ^ previous >> 8
        }
        return tables
    }()
}
