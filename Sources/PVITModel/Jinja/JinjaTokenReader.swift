/// A token inside a tag.
enum JinjaToken: Hashable {
    case name(String)
    case string(JinjaString)
    case integer(Int)
    case float(Double)
    /// An operator or a bracket.
    case symbol(String)
}

/// Reads the tokens of a tag.
struct JinjaTokenReader {
    private let source: [Unicode.Scalar]
    private(set) var position: Int
    private var brackets: [Unicode.Scalar] = []
    private static let closing: [Unicode.Scalar: Unicode.Scalar] = ["(": ")", "[": "]", "{": "}"]

    init(_ source: [Unicode.Scalar], at position: Int) {
        self.source = source
        self.position = position
    }

    /// Whether all brackets are closed, so the tag may end.
    var isBalanced: Bool { brackets.isEmpty }

    mutating func skipSpace() {
        while let scalar = scalar(position), scalar.isPythonSpace { position += 1 }
    }

    private func scalar(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

    private func isDigit(_ index: Int) -> Bool { scalar(index).map { ("0"..."9").contains($0) } ?? false }

    mutating func next() throws -> JinjaToken {
        guard let first = scalar(position) else { throw JinjaError.syntax("a tag is not closed") }
        if isDigit(position) { return try number() }
        if first == "_" || first.properties.isXIDStart {
            let start = position
            while let scalar = scalar(position), scalar == "_" || scalar.properties.isXIDContinue { position += 1 }
            return .name(String(source[start..<position].lazy.map { PromptScalar($0) }))
        }
        if first == "'" || first == "\"" { return .string(try string(quote: first)) }
        return try symbol(first)
    }

    private mutating func symbol(_ first: Unicode.Scalar) throws -> JinjaToken {
        if let second = scalar(position + 1) {
            let pair = "\(first)\(second)"
            if ["==", "!=", "<=", ">=", "//", "**"].contains(pair) {
                position += 2
                return .symbol(pair)
            }
        }
        guard "+-*/%~<>=()[]{},.:|;".unicodeScalars.contains(first) else {
            throw JinjaError.syntax("an unexpected '\(first)'")
        }
        if let end = Self.closing[first] { brackets.append(end) }
        if ")]}".unicodeScalars.contains(first) {
            guard brackets.popLast() == first else { throw JinjaError.syntax("an unexpected '\(first)'") }
        }
        guard brackets.count <= JinjaBudget.expressionDepth else {
            throw JinjaError.syntax("an expression nests more than \(JinjaBudget.expressionDepth) deep")
        }
        position += 1
        return .symbol("\(first)")
    }

    private mutating func number() throws -> JinjaToken {
        let start = position
        if let float = try floatingPoint() { return float }
        position = start
        let radixes: [Unicode.Scalar: Int] = ["b": 2, "B": 2, "o": 8, "O": 8, "x": 16, "X": 16]
        if scalar(position) == "0", let radix = scalar(position + 1).flatMap({ radixes[$0] }) {
            position += 2
            if let digits = digits(where: { Int(String($0), radix: radix) != nil }, mayBegin: true) {
                return try integer(digits, radix: radix)
            }
            position = start
        }
        let digits =
            scalar(position) == "0"
            ? digits(where: { $0 == "0" }, mayBegin: false)
            : digits(where: { ("0"..."9").contains($0) }, mayBegin: false)
        return try integer(digits ?? "", radix: 10)
    }

    private func integer(_ digits: String, radix: Int) throws -> JinjaToken {
        guard let value = Int(digits, radix: radix) else {
            throw JinjaError.syntax("the number \(digits) is too large")
        }
        return .integer(value)
    }

    /// Reads digits with single underscores between them. If there is none, returns nil and reads nothing.
    private mutating func digits(where isDigit: (Unicode.Scalar) -> Bool, mayBegin: Bool) -> String? {
        var result = ""
        while let first = scalar(position) {
            if isDigit(first) {
                result.unicodeScalars.append(first)
                position += 1
            } else if first == "_", mayBegin || !result.isEmpty, let next = scalar(position + 1), isDigit(next) {
                position += 1
            } else {
                break
            }
        }
        return result.isEmpty ? nil : result
    }

    /// Reads a number with a fraction or an exponent, or returns nil.
    private mutating func floatingPoint() throws -> JinjaToken? {
        func decimal(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
        if position > 0, source[position - 1] == "." { return nil }
        guard var text = digits(where: decimal, mayBegin: false) else { return nil }
        var isFloat = false
        if scalar(position) == ".", isDigit(position + 1) {
            position += 1
            text += "." + (digits(where: decimal, mayBegin: false) ?? "")
            isFloat = true
        }
        if scalar(position) == "e" || scalar(position) == "E" {
            let hasSign = scalar(position + 1) == "+" || scalar(position + 1) == "-"
            if isDigit(position + (hasSign ? 2 : 1)) {
                text += "e" + (hasSign ? "\(source[position + 1])" : "")
                position += hasSign ? 2 : 1
                text += digits(where: decimal, mayBegin: false) ?? ""
                isFloat = true
            }
        }
        return isFloat ? Double(text).map { .float($0) } : nil
    }

    /// Reads a string with Python's escapes.
    private mutating func string(quote: Unicode.Scalar) throws -> JinjaString {
        position += 1
        var result: [PromptScalar] = []
        while let first = scalar(position) {
            position += 1
            if first == quote { return JinjaString(result) }
            if first == "\\" {
                result += try escape().map { PromptScalar($0) }
            } else {
                result.append(PromptScalar(first))
            }
        }
        throw JinjaError.syntax("a string is not closed")
    }

    private mutating func escape() throws -> [Unicode.Scalar] {
        guard let first = scalar(position) else { throw JinjaError.syntax("a string is not closed") }
        position += 1
        switch first {
        case "\n": return []
        case "\\", "'", "\"": return [first]
        case "a": return ["\u{7}"]
        case "b": return ["\u{8}"]
        case "f": return ["\u{C}"]
        case "n": return ["\n"]
        case "r": return ["\r"]
        case "t": return ["\t"]
        case "v": return ["\u{B}"]
        case "x": return [try code(digits: 2)]
        case "u": return [try code(digits: 4)]
        case "U": return [try code(digits: 8)]
        case "N": throw JinjaError.syntax("the escape \\N is not supported")
        case "0"..."7":
            var value = first.value - 48
            for _ in 0..<2 {
                guard let digit = scalar(position), ("0"..."7").contains(digit) else { break }
                value = value * 8 + digit.value - 48
                position += 1
            }
            return [Unicode.Scalar(value) ?? "\u{FFFD}"]
        default:
            // Jinja turns characters beyond ASCII into escapes before it reads escapes.
            guard !first.isASCII else { return ["\\", first] }
            let digits = String(first.value, radix: 16)
            let (letter, width) = first.value < 256 ? ("x", 2) : first.value < 65536 ? ("u", 4) : ("U", 8)
            return Array("\\\(letter)\(String(repeating: "0", count: width - digits.count))\(digits)".unicodeScalars)
        }
    }

    private mutating func code(digits count: Int) throws -> Unicode.Scalar {
        let end = min(position + count, source.count)
        let digits = String(source[position..<end].lazy.map { PromptScalar($0) })
        guard digits.utf8.count == count, digits.utf8.allSatisfy({ $0 != 43 && $0 != 45 }),
            let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw JinjaError.syntax("an escape in a string is not a code point") }
        position = end
        return scalar
    }
}

extension Unicode.Scalar {
    /// Whether Python counts the code point as white space: Unicode's, and the four information separators.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}
