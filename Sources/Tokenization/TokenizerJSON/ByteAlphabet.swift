/// The alphabet of byte-level BPE: a printable character for each byte (`bytes_to_unicode` of GPT-2).
///
/// Bytes that are printable in Latin-1 keep their character. The others get the characters from U+0100, in order.
enum ByteAlphabet {
    /// The scalar value of each byte's character.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    private static let bytes: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = UInt8(byte) }
        return bytes
    }()

    /// Appends the characters of bytes to `text`, in UTF-8.
    static func encode(_ bytes: Span<UInt8>, into text: inout [UInt8]) {
        for position in bytes.indices {
            let scalar = scalars[Int(bytes[position])]
            // All are below U+0800.
            if scalar < 0x80 {
                text.append(UInt8(scalar))
            } else {
                text.append(0xC0 | UInt8(scalar >> 6))
                text.append(0x80 | UInt8(scalar & 0x3F))
            }
        }
    }

    /// The bytes of a token. The bytes of a token with a character outside the alphabet are its own UTF-8.
    static func decode(_ token: Span<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(token.count)
        var position = 0
        while position < token.count {
            let (value, length) = UTF8Scalars.scalar(in: token, at: position)
            guard value < 0x144, let byte = bytes[Int(value)] else { return token.indices.map { token[$0] } }
            decoded.append(byte)
            position += length
        }
        return decoded
    }
}
