extension Unicode.Scalar {
    /// The scalar as Swift writes it in a string literal where it would not be seen, or not as itself.
    fileprivate var readable: String {
        switch self {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "\"", "\\": return "\\\(self)"
        case " ": return " "
        default: break
        }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
            .paragraphSeparator:
            return escaped
        default: return String(self)
        }
    }

    /// The scalar by its number.
    fileprivate var escaped: String { "\\u{\(String(value, radix: 16))}" }

    /// Whether the scalar changes how the one before it looks.
    fileprivate var isMark: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .spacingMark: true
        default: false
        }
    }
}

/// Bytes as text in which everything can be seen and nothing looks like something else: in quotation marks as in a
/// string literal of Swift, or, where they are not whole characters, byte by byte as `<0xE2><0x96>`.
func readableText(_ bytes: [UInt8]) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { return readableBytes(bytes) }
    // A mark at the start would go over the quotation mark.
    let first = text.unicodeScalars.first.map { $0.isMark ? $0.escaped : $0.readable } ?? ""
    return "\"\(first)\(text.unicodeScalars.dropFirst().map(\.readable).joined())\""
}

/// Bytes one by one, as SentencePiece names them.
func readableBytes(_ bytes: [UInt8]) -> String {
    bytes.map { "<0x\($0 < 16 ? "0" : "")\(String($0, radix: 16, uppercase: true))>" }.joined()
}
