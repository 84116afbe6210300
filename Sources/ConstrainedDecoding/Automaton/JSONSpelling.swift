/// The one spelling of strings in keys, in `enum` and `const`, and under a pattern.
enum JSONSpelling {
    /// A string with its quotation marks. Only what JSON demands is escaped.
    static func quoted(_ text: String) -> [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                result += escape(byte)
            } else {
                result.append(byte)
            }
        }
        result.append(UInt8(ascii: "\""))
        return result
    }

    /// The escape of a control character, a quotation mark or a backslash: the short one if there is one.
    static func escape(_ byte: UInt8) -> [UInt8] {
        switch byte {
        case 0x08: return Array("\\b".utf8)
        case 0x09: return Array("\\t".utf8)
        case 0x0A: return Array("\\n".utf8)
        case 0x0C: return Array("\\f".utf8)
        case 0x0D: return Array("\\r".utf8)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [UInt8(ascii: "\\"), byte]
        default:
            let digits = String(byte, radix: 16)
            return Array("\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8)
        }
    }
}
