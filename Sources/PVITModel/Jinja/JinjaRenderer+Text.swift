extension JinjaRenderer {
    /// The text that `{{ }}` writes for a value: Python's `str`.
    func text(of value: JinjaValue) throws -> JinjaString {
        switch value {
        case .undefined: return ""
        case .string(let text): return text
        default:
            var builder = JinjaBuilder(budget)
            try write(value, to: &builder)
            return builder.string
        }
    }

    /// Python's `repr`.
    func representation(of value: JinjaValue) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        try write(value, to: &builder)
        return builder.string
    }

    private func write(_ value: JinjaValue, to builder: inout JinjaBuilder) throws {
        try budget.spend(JinjaBudget.evaluationCost)
        switch value {
        case .undefined: try builder.append("Undefined")
        case .none: try builder.append("None")
        case .bool(let value): try builder.append(value ? "True" : "False")
        case .integer(let value): try builder.append(String(value))
        case .float(let value): try builder.append(value.pythonText)
        case .string(let text):
            guard !text.isMarkup else {
                try builder.append("Markup(")
                try builder.append(text.representation)
                return try builder.append(")")
            }
            try builder.append(text.representation)
        case .list(let list): try nested { try write(list, to: &builder) }
        case .dictionary(let members): try nested { try write(members, to: &builder) }
        case .range(let range):
            try builder.append("range(\(range.start), \(range.end)\(range.step == 1 ? "" : ", \(range.step)"))")
        case .namespace(let namespace):
            try builder.append("<Namespace ")
            try nested { try write(namespace.members, to: &builder) }
            try builder.append(">")
        case .function(.macro(let macro)):
            try builder.append("<Macro \(JinjaString(macro.definition.name).representation.text)>")
        case .loop(let loop): try builder.append("<LoopContext \(loop.index + 1)/\(loop.elements.count)>")
        case .iterator, .function: throw JinjaError.runtime("\(value.typeName) cannot be written as text")
        }
    }

    private func write(_ list: JinjaList, to builder: inout JinjaBuilder) throws {
        let (opening, closing) =
            switch list.kind {
            case .list: ("[", "]")
            case .tuple, .group: ("(", list.elements.count == 1 ? ",)" : ")")
            case .view(let name): ("\(name)([", "])")
            }
        try builder.append(opening)
        for (index, element) in list.elements.enumerated() {
            if index > 0 { try builder.append(", ") }
            try write(element, to: &builder)
        }
        try builder.append(closing)
    }

    private func write(_ members: JinjaDictionary, to builder: inout JinjaBuilder) throws {
        try builder.append("{")
        for (index, entry) in members.entries.enumerated() {
            if index > 0 { try builder.append(", ") }
            try write(entry.key, to: &builder)
            try builder.append(": ")
            try write(entry.value, to: &builder)
        }
        try builder.append("}")
    }

    /// Escapes the characters that HTML reads as markup.
    func escaped(_ text: JinjaString) throws -> JinjaString {
        guard !text.isMarkup else { return text }
        let entities: [Unicode.Scalar: String] = [
            "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", "\"": "&#34;",
        ]
        var builder = JinjaBuilder(budget)
        for scalar in text.scalars {
            let entity = entities[scalar.scalar].map { scalar.replaced(by: $0.unicodeScalars) }
            try builder.append(entity ?? [scalar])
        }
        var result = builder.string
        result.isMarkup = true
        return result
    }
}

extension JinjaString {
    /// Python's `repr` of a string.
    var representation: JinjaString {
        let quote: Unicode.Scalar =
            scalars.contains { $0.scalar == "'" } && !scalars.contains { $0.scalar == "\"" } ? "\"" : "'"
        var result = [PromptScalar(quote)]
        for scalar in scalars {
            result += scalar.replaced(by: scalar.scalar.escaped(inQuotes: quote))
        }
        return JinjaString(result + [PromptScalar(quote)])
    }
}

extension Unicode.Scalar {
    /// Whether Python's `repr` leaves the character unescaped.
    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }

    fileprivate func escaped(inQuotes quote: Unicode.Scalar) -> [Unicode.Scalar] {
        switch self {
        case "\\", quote: return ["\\", self]
        case "\n": return ["\\", "n"]
        case "\r": return ["\\", "r"]
        case "\t": return ["\\", "t"]
        default: return isPythonPrintable ? [self] : escapedByCode
        }
    }

    /// `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
    var escapedByCode: [Unicode.Scalar] {
        let digits = String(value, radix: 16)
        let (letter, width) = value < 256 ? ("x", 2) : value < 65536 ? ("u", 4) : ("U", 8)
        return Array("\\\(letter)\(String(repeating: "0", count: width - digits.count))\(digits)".unicodeScalars)
    }
}

extension Double {
    /// Python's `repr`: the shortest digits that read back as this number.
    var pythonText: String {
        guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
        let sign = self.sign == .minus ? "-" : ""
        let (digits, exponent) = shortestDigits
        guard (-4..<16).contains(exponent) else {
            let tail = digits.count > 1 ? "." + digits.dropFirst() : ""
            let power = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
            return "\(sign)\(digits.prefix(1))\(tail)e\(exponent < 0 ? "-" : "+")\(power)"
        }
        if exponent < 0 { return "\(sign)0.\(String(repeating: "0", count: -exponent - 1))\(digits)" }
        let padded = digits + String(repeating: "0", count: max(0, exponent + 1 - digits.count))
        let tail = padded.dropFirst(exponent + 1)
        return "\(sign)\(padded.prefix(exponent + 1)).\(tail.isEmpty ? "0" : tail)"
    }

    /// The shortest decimal digits, without leading and trailing zeros, and the power of ten of the first one.
    private var shortestDigits: (String, Int) {
        let fields = magnitude.description.lowercased().split(separator: "e")
        var exponent = fields.count > 1 ? Int(fields[1]) ?? 0 : 0
        let mantissa = fields.first.map(String.init) ?? "0"
        let pointed = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(pointed.first ?? "0")
        var digits = whole + (pointed.count > 1 ? pointed[1] : "")
        exponent += whole.count - 1
        while digits.count > 1, digits.hasPrefix("0") {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.count > 1, digits.hasSuffix("0") { digits.removeLast() }
        return (digits, digits == "0" ? 0 : exponent)
    }
}
