extension JinjaRenderer {
    private struct JSONStyle {
        var isASCII = false
        /// The indentation of each level; nil writes one line.
        var indent: JinjaString?
        var itemSeparator: JinjaString = ", "
        var keySeparator: JinjaString = ": "
        var sortsKeys = false
    }

    /// The filter `tojson` of `transformers`, which is Python's `json.dumps`.
    func json(of value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaString {
        let bound = try arguments.bound(to: ["ensure_ascii", "indent", "separators", "sort_keys"], of: "tojson")
        var style = JSONStyle()
        style.isASCII = bound[0].orNone.isTrue
        if let indent = bound[1], !indent.isNone {
            if case .string(let text) = indent {
                style.indent = text
            } else {
                style.indent = try JinjaString(" ").repeated(try integer(indent, for: "tojson"), budget)
            }
            style.itemSeparator = ","
        }
        if let separators = bound[2], !separators.isNone {
            let pair = try elements(of: separators)
            guard pair.count == 2 else { throw JinjaError.runtime("tojson needs two separators") }
            style.itemSeparator = try string(pair[0], for: "tojson")
            style.keySeparator = try string(pair[1], for: "tojson")
        }
        style.sortsKeys = bound[3].orNone.isTrue
        var builder = JinjaBuilder(budget)
        try write(value, style, depth: 0, to: &builder)
        return builder.string
    }

    private func write(
        _ value: JinjaValue, _ style: JSONStyle, depth: Int, to builder: inout JinjaBuilder
    ) throws {
        try budget.spend(JinjaBudget.evaluationCost)
        switch value {
        case .none: try builder.append("null")
        case .bool(let value): try builder.append(value ? "true" : "false")
        case .integer(let value): try builder.append(String(value))
        case .float(let value): try builder.append(Self.json(of: value))
        case .string(let text): try writeJSON(text, style, to: &builder)
        case .list(let list) where list.isSequence:
            try writeJSON(list.elements.count, style, depth, ("[", "]"), to: &builder) { index, builder in
                try write(list.elements[index], style, depth: depth + 1, to: &builder)
            }
        case .dictionary(let members):
            var entries = members.entries
            if style.sortsKeys {
                entries = try entries.sorted { try (compare($0.key, $1.key) ?? 0) < 0 }
            }
            try writeJSON(entries.count, style, depth, ("{", "}"), to: &builder) { index, builder in
                try writeJSON(try Self.key(entries[index].key), style, to: &builder)
                try builder.append(style.keySeparator)
                try write(entries[index].value, style, depth: depth + 1, to: &builder)
            }
        case .undefined(let words): throw JinjaError.runtime("tojson of something undefined: \(words)")
        default: throw JinjaError.runtime("tojson cannot be used with \(value.typeName)")
        }
    }

    /// Writes elements between brackets, on lines of their own if the style has an indentation.
    private func writeJSON(
        _ count: Int, _ style: JSONStyle, _ depth: Int, _ brackets: (String, String), to builder: inout JinjaBuilder,
        _ element: (Int, inout JinjaBuilder) throws -> Void
    ) throws {
        func breakLine(_ depth: Int, _ builder: inout JinjaBuilder) throws {
            guard let indent = style.indent else { return }
            try builder.append("\n")
            try builder.append(indent.scalars, times: depth)
        }
        try builder.append(brackets.0)
        for index in 0..<count {
            if index > 0 { try builder.append(style.itemSeparator) }
            try breakLine(depth + 1, &builder)
            try nested { try element(index, &builder) }
        }
        if count > 0 { try breakLine(depth, &builder) }
        try builder.append(brackets.1)
    }

    private static func json(of value: Double) -> String {
        value.isFinite ? value.pythonText : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }

    private static func key(_ key: JinjaValue) throws -> JinjaString {
        switch key {
        case .string(let text): text
        case .none: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): JinjaString(String(value))
        case .float(let value): JinjaString(json(of: value))
        default: throw JinjaError.runtime("\(key.typeName) cannot be a JSON key")
        }
    }

    private func writeJSON(_ text: JinjaString, _ style: JSONStyle, to builder: inout JinjaBuilder) throws {
        try builder.append("\"")
        for scalar in text.scalars {
            try builder.append(scalar.replaced(by: Self.jsonScalars(scalar.scalar, isASCII: style.isASCII)))
        }
        try builder.append("\"")
    }

    private static func jsonScalars(_ scalar: Unicode.Scalar, isASCII: Bool) -> [Unicode.Scalar] {
        switch scalar {
        case "\"", "\\": return ["\\", scalar]
        case "\n": return ["\\", "n"]
        case "\r": return ["\\", "r"]
        case "\t": return ["\\", "t"]
        case "\u{8}": return ["\\", "b"]
        case "\u{C}": return ["\\", "f"]
        default: break
        }
        guard scalar.value < 0x20 || (isASCII && !scalar.isASCII) else {
            return [scalar]
        }
        return String(scalar).utf16.flatMap { unit in
            let digits = String(unit, radix: 16)
            return Array("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars)
        }
    }
}
