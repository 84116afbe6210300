#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension JinjaString {
    /// The number in ASCII, without surrounding white space and without underscores between digits. nil if it is
    /// malformed.
    private var numberText: String? {
        var result = ""
        var previous: Unicode.Scalar?
        let scalars = stripped().scalars.map(\.scalar)
        for (index, scalar) in scalars.enumerated() {
            defer { previous = scalar }
            if scalar == "_" {
                guard let previous, previous.isPythonAlphanumeric, index + 1 < scalars.count,
                    scalars[index + 1].isPythonAlphanumeric
                else { return nil }
            } else if scalar.isPythonDecimal, let value = scalar.properties.numericValue {
                result += String(Int(value))
            } else if scalar.isASCII {
                result.unicodeScalars.append(scalar)
            } else {
                return nil
            }
        }
        return result
    }

    /// The value that Python's `int` reads, or nil if the text is not a whole number.
    ///
    /// - Throws: `chat.template` if the number is too large.
    func pythonInteger(base: Int) throws -> Int? {
        guard var text = numberText else { return nil }
        guard base == 0 || (2...36).contains(base) else { throw JinjaError.runtime("\(base) is not a base of numbers") }
        let isNegative = text.hasPrefix("-")
        if isNegative || text.hasPrefix("+") { text.removeFirst() }
        let prefixes = ["0x": 16, "0o": 8, "0b": 2]
        var radix = base
        if let own = prefixes[text.prefix(2).lowercased()], base == 0 || base == own {
            radix = own
            text.removeFirst(2)
        }
        if radix == 0 { radix = 10 }
        guard !text.isEmpty,
            text.unicodeScalars.allSatisfy({ Int(String($0), radix: radix) != nil && $0 != "-" && $0 != "+" })
        else { return nil }
        guard let value = Int((isNegative ? "-" : "") + text, radix: radix) else {
            throw JinjaError.runtime("a number is too large")
        }
        return value
    }

    /// The value that Python's `float` reads, or nil if the text is not a number.
    var pythonNumber: Double? {
        guard let text = numberText?.lowercased() else { return nil }
        let bare = text.drop { $0 == "-" || $0 == "+" }
        guard text.count - bare.count <= 1 else { return nil }
        if ["inf", "infinity", "nan"].contains(String(bare)) {
            let value = bare == "nan" ? Double.nan : .infinity
            return text.hasPrefix("-") ? -value : value
        }
        guard bare.unicodeScalars.allSatisfy({ ("0"..."9").contains($0) || ".e+-".unicodeScalars.contains($0) }),
            bare.prefix(while: { $0 != "e" }).contains(where: { ("0"..."9").contains($0) })
        else { return nil }
        // Python accepts `1.`, `1.e5` and `.5`.
        var plain = text
        if let point = text.firstIndex(of: ".") {
            let next = text.index(after: point)
            if next == text.endIndex || text[next] == "e" { plain.insert("0", at: next) }
        }
        return Double(plain)
    }
}

extension Double {
    /// The maximum number of digits in a format.
    static let maximumFormatDigits = 1000

    /// The number with `digits` digits after the point, rounded as in C.
    func decimal(digits: Int) -> String { printed("f", digits, isAlternate: false) }

    /// The number with `digits` significant digits, at least one of them after the point unless there is an exponent.
    func shortText(digits: Int) -> String {
        let fields = printed("e", digits - 1, isAlternate: true).split(separator: "e")
        guard fields.count == 2, let exponent = Int(fields[1]) else { return pythonText }
        func trimmed(_ text: Substring) -> Substring {
            let end = text.lastIndex { $0 != "0" } ?? text.startIndex
            return text[...end]
        }
        guard exponent >= -4, exponent + 1 < digits else {
            let mantissa = trimmed(fields[0])
            return "\(mantissa.last == "." ? mantissa.dropLast() : mantissa)e\(fields[1])"
        }
        let text = trimmed(decimal(digits: digits - exponent - 1)[...])
        return text.last == "." ? text + "0" : String(text)
    }

    /// The magnitude of the number in one of C's notations: `e`, `f` or `g`, or their capitals.
    func printed(_ notation: Character, _ digits: Int, isAlternate: Bool) -> String {
        let format = "%\(isAlternate ? "#" : "").\(digits)\(notation)"
        // At most 309 digits before the point, and `digits` after it.
        var buffer = [CChar](repeating: 0, count: 400 + digits)
        let count = unsafe withVaList([self]) { unsafe vsnprintf(&buffer, buffer.count, format, $0) }
        guard count > 0, Int(count) < buffer.count else { return "" }
        return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
