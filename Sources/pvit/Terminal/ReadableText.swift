extension Unicode.Scalar {
    /// The scalar, escaped as in a Swift string literal if it would be invisible or ambiguous.
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

    /// The scalar as `\u{…}`.
    fileprivate var escaped: String { "\\u{\(String(value, radix: 16))}" }

    /// Whether the scalar combines with the one before it.
    fileprivate var isMark: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .spacingMark: true
        default: false
        }
    }
}

/// Bytes as unambiguous text: in quotation marks, escaped as in a Swift string literal. Bytes that are not valid UTF-8
/// are written as `<0xE2><0x96>`.
func readableText(_ bytes: [UInt8]) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { return readableBytes(bytes) }
    // A combining mark at the start would combine with the quotation mark.
    let first = text.unicodeScalars.first.map { $0.isMark ? $0.escaped : $0.readable } ?? ""
    return "\"\(first)\(text.unicodeScalars.dropFirst().map(\.readable).joined())\""
}

/// Bytes as SentencePiece spells them.
func readableBytes(_ bytes: [UInt8]) -> String {
    bytes.map { "<0x\($0 < 16 ? "0" : "")\(String($0, radix: 16, uppercase: true))>" }.joined()
}
