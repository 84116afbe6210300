/// Python's format specification,
/// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
struct JinjaFormatSpecification {
    var fill = PromptScalar(" ")
    var alignment: Unicode.Scalar?
    var sign: Unicode.Scalar = "-"
    var isAlternate = false
    var width = 0
    var grouping: Unicode.Scalar?
    var precision: Int?
    var type: Unicode.Scalar?

    /// The maximum width of a field, far beyond what any template needs.
    private static let maximumWidth = 100_000

    init() {}

    /// - Throws: `chat.template` if the text is not a format specification.
    init(_ text: JinjaString) throws {
        var rest = text.scalars[...]
        let alignments: [Unicode.Scalar] = ["<", ">", "^", "="]
        if rest.count >= 2, alignments.contains(rest[rest.startIndex + 1].scalar) {
            fill = rest.removeFirst()
            alignment = rest.removeFirst().scalar
        } else if let first = rest.first, alignments.contains(first.scalar) {
            alignment = rest.removeFirst().scalar
        }
        func take(_ allowed: [Unicode.Scalar]) -> Unicode.Scalar? {
            guard let first = rest.first?.scalar, allowed.contains(first) else { return nil }
            rest.removeFirst()
            return first
        }
        if let sign = take(["+", "-", " "]) { self.sign = sign }
        isAlternate = take(["#"]) != nil
        if take(["0"]) != nil, alignment == nil {
            fill = PromptScalar("0")
            alignment = "="
        }
        width = try Self.number(&rest) ?? 0
        grouping = take([",", "_"])
        if take(["."]) != nil {
            guard let digits = try Self.number(&rest) else {
                throw JinjaError.runtime("a format has no precision after '.'")
            }
            precision = digits
        }
        type = rest.popFirst()?.scalar
        guard rest.isEmpty else { throw JinjaError.runtime("the format '\(text.text)' is not supported") }
    }

    private static func number(_ rest: inout ArraySlice<PromptScalar>) throws -> Int? {
        let digits = rest.prefix { ("0"..."9").contains($0.scalar) }
        guard !digits.isEmpty else { return nil }
        rest = rest[digits.endIndex...]
        guard let number = Int(String(digits)), number <= maximumWidth else {
            throw JinjaError.runtime("a format is wider than \(maximumWidth)")
        }
        return number
    }

    /// Pads the text to the width of the field.
    func padded(_ text: JinjaString, prefix: String = "", _ natural: Unicode.Scalar) -> JinjaString {
        let head = JinjaString(prefix).scalars
        let missing = max(width - text.count - head.count, 0)
        func filling(_ count: Int) -> [PromptScalar] { Array(repeating: fill, count: count) }
        switch alignment ?? natural {
        case "<": return JinjaString(head + text.scalars + filling(missing))
        case "^": return JinjaString(filling(missing / 2) + head + text.scalars + filling(missing - missing / 2))
        case "=": return JinjaString(head + filling(missing) + text.scalars)
        default: return JinjaString(filling(missing) + head + text.scalars)
        }
    }

    private func signText(_ isNegative: Bool) -> String {
        isNegative ? "-" : sign == "-" ? "" : String(sign)
    }

    func formatted(_ text: JinjaString) throws -> JinjaString {
        guard type == nil || type == "s", sign == "-", !isAlternate, grouping == nil, alignment != "=" else {
            throw JinjaError.runtime("a number format is used for a string")
        }
        return padded(precision.map { JinjaString(text.scalars.prefix($0)) } ?? text, "<")
    }

    func formatted(_ number: Int) throws -> JinjaString {
        if let type, "eEfFgG%".unicodeScalars.contains(type) { return try formatted(Double(number)) }
        guard precision == nil else { throw JinjaError.runtime("a precision is not allowed for a whole number") }
        let radixes: [Unicode.Scalar: (Int, String)] = [
            "d": (10, ""), "n": (10, ""), "b": (2, "0b"), "o": (8, "0o"), "x": (16, "0x"), "X": (16, "0X"),
        ]
        if type == "c" {
            guard let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) else {
                throw JinjaError.runtime("\(number) is not a code point")
            }
            return padded(JinjaString(CollectionOfOne(PromptScalar(scalar))), "<")
        }
        guard let (radix, prefix) = radixes[type ?? "d"] else {
            throw JinjaError.runtime("a format cannot be used with a whole number")
        }
        let digits = String(number.magnitude, radix: radix, uppercase: type == "X")
        return field(
            digits, "", prefix: signText(number < 0) + (isAlternate ? prefix : ""), groupSize: radix == 10 ? 3 : 4)
    }

    func formatted(_ number: Double) throws -> JinjaString {
        guard (precision ?? 0) <= Double.maximumFormatDigits else {
            throw JinjaError.runtime("a format has more than \(Double.maximumFormatDigits) digits")
        }
        var text: String
        let magnitude = number.magnitude
        if !number.isFinite {
            text = number.isNaN ? "nan" : "inf"
            if let type, "EFG".unicodeScalars.contains(type) { text = text.uppercased() }
            if type == "%" { text += "%" }
        } else {
            switch type {
            case nil where precision == nil: text = magnitude.pythonText
            case "e"?, "E"?, "f"?, "F"?, "g"?, "G"?, "n"?:
                let notation = type == "n" ? "g" : type ?? "g"
                text = magnitude.printed(
                    Character(notation), max(precision ?? 6, "gG".unicodeScalars.contains(notation) ? 1 : 0),
                    isAlternate: isAlternate)
            case "%"?:
                text = (magnitude * 100).printed("f", precision ?? 6, isAlternate: isAlternate) + "%"
            case nil: text = magnitude.shortText(digits: max(precision ?? 1, 1))
            default: throw JinjaError.runtime("a format cannot be used with a number")
            }
        }
        let whole = text.prefix { $0.isNumber }
        return field(
            String(whole), String(text.dropFirst(whole.count)),
            prefix: signText(number.sign == .minus && !number.isNaN),
            groupSize: 3)
    }

    /// Groups digits, and pads with zeros that are grouped as well.
    private func field(_ digits: String, _ tail: String, prefix: String, groupSize: Int) -> JinjaString {
        guard let grouping else { return padded(JinjaString(digits + tail), prefix: prefix, ">") }
        func grouped(_ digits: String) -> String {
            var result = ""
            for (index, digit) in digits.enumerated() {
                if index > 0, (digits.count - index) % groupSize == 0 { result.unicodeScalars.append(grouping) }
                result.append(digit)
            }
            return result
        }
        var digits = digits
        if fill.scalar == "0", alignment == "=" {
            while grouped(digits).count + tail.count + prefix.count < width { digits = "0" + digits }
        }
        return padded(JinjaString(grouped(digits) + tail), prefix: prefix, ">")
    }
}
