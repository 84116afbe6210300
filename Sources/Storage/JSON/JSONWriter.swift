extension JSONValue {
    /// The value as UTF-8 text. The same value always gives the same bytes.
    ///
    /// JSON cannot express infinity and NaN. They are written as `transformers` does: `{"__float__": "Infinity"}`.
    ///
    /// - Parameter indentation: The number of spaces for each level; nil for one line without spaces.
    package func encoded(indentation: Int? = nil) -> [UInt8] {
        var output: [UInt8] = []
        write(into: &output, indentation: indentation, level: 0)
        return output
    }

    private func write(into output: inout [UInt8], indentation: Int?, level: Int) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .integer(let value): output += String(value).utf8
        case .number(let value) where value.isFinite: output += "\(value)".utf8
        case .number(let value):
            let word = value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity"
            let object: JSONValue = ["__float__": .string(word)]
            object.write(into: &output, indentation: indentation, level: level)
        case .string(let value): Self.write(value, into: &output)
        case .array(let elements):
            Self.writeList(elements, brackets: ("[", "]"), into: &output, indentation, level) { element, output in
                element.write(into: &output, indentation: indentation, level: level + 1)
            }
        case .object(let object):
            Self.writeList(object.members, brackets: ("{", "}"), into: &output, indentation, level) { member, output in
                Self.write(member.key, into: &output)
                output += (indentation == nil ? ":" : ": ").utf8
                member.value.write(into: &output, indentation: indentation, level: level + 1)
            }
        }
    }

    private static func writeList<Element>(
        _ elements: [Element], brackets: (String, String), into output: inout [UInt8], _ indentation: Int?,
        _ level: Int, _ writeElement: (Element, inout [UInt8]) -> Void
    ) {
        output += brackets.0.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            startLine(level + 1, indentation, into: &output)
            writeElement(element, &output)
        }
        if !elements.isEmpty { startLine(level, indentation, into: &output) }
        output += brackets.1.utf8
    }

    private static func startLine(_ level: Int, _ indentation: Int?, into output: inout [UInt8]) {
        guard let indentation else { return }
        output.append(0x0A)
        output += repeatElement(0x20, count: level * indentation)
    }

    private static func write(_ string: String, into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output += "\\\"".utf8
            case UInt8(ascii: "\\"): output += "\\\\".utf8
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0..<0x20, 0x7F:
                let digits = String(byte, radix: 16)
                output += "\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
