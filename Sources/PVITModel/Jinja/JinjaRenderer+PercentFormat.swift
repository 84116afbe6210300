extension JinjaRenderer {
    /// Python's `pattern % values`.
    func format(_ pattern: JinjaString, percent values: JinjaValue) throws -> JinjaString {
        guard !pattern.isMarkup else {
            throw JinjaError.runtime("'%' of a text that is marked as safe is not supported")
        }
        var arguments = [values][...]
        if case .list(let list) = values, list.kind == .tuple { arguments = list.elements[...] }
        var usesNames = false
        var builder = JinjaBuilder(budget)
        var rest = pattern.scalars[...]
        while let scalar = rest.popFirst() {
            guard scalar.scalar == "%" else {
                try builder.append(CollectionOfOne(scalar))
                continue
            }
            var field = PercentField()
            try field.readName(&rest)
            func next() throws -> JinjaValue {
                if let name = field.name {
                    usesNames = true
                    guard case .dictionary(let members) = values, let value = members[.string(name)] else {
                        throw JinjaError.runtime("a format has no value for '\(name.text)'")
                    }
                    return value
                }
                guard let value = arguments.popFirst() else { throw JinjaError.runtime("a format has too few values") }
                return value
            }
            try field.readOptions(&rest) { try integer(try next(), for: "a width") }
            guard let type = rest.popFirst()?.scalar else { throw JinjaError.runtime("a format ends after '%'") }
            guard type != "%" else {
                try builder.append("%")
                continue
            }
            try budget.spend(field.specification.width)
            try builder.append(try formatted(try next(), type, field))
        }
        var mayRemain = usesNames
        if case .dictionary = values { mayRemain = true }
        if case .list(let list) = values, list.kind == .list { mayRemain = true }
        guard arguments.isEmpty || mayRemain else { throw JinjaError.runtime("a format has too many values") }
        return builder.string
    }

    private func formatted(_ value: JinjaValue, _ type: Unicode.Scalar, _ field: PercentField) throws -> JinjaString {
        var specification = field.specification
        let isNumeric = "diuoxXeEfFgG".unicodeScalars.contains(type)
        specification.alignment = field.isLeft ? "<" : field.hasZeros && isNumeric ? "=" : ">"
        specification.fill = PromptScalar(field.hasZeros && !field.isLeft && isNumeric ? "0" : " ")
        if !isNumeric {
            specification.sign = "-"
            specification.isAlternate = false
        }
        switch type {
        case "s": return try specification.formatted(try text(of: value))
        case "r": return try specification.formatted(try representation(of: value))
        case "c":
            if case .string(let text) = value, text.count == 1 { return specification.padded(text, ">") }
            specification.type = "c"
            specification.precision = nil
            return try specification.formatted(try integer(value, for: "%c"))
        case "d", "i", "u", "o", "x", "X":
            var number = value
            if case .float(let real) = value, "diu".unicodeScalars.contains(type) {
                guard let whole = Int(exactly: real.rounded(.towardZero)) else {
                    throw JinjaError.runtime("a number is too large")
                }
                number = .integer(whole)
            }
            guard specification.precision == nil else {
                throw JinjaError.runtime("a precision is not allowed for a whole number")
            }
            specification.type = "iu".unicodeScalars.contains(type) ? "d" : type
            return try specification.formatted(try integer(number, for: "%\(type)"))
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.number else { throw JinjaError.runtime("%\(type) needs a number") }
            specification.type = type
            specification.precision = specification.precision ?? 6
            return try specification.formatted(number)
        default: throw JinjaError.runtime("the format '%\(type)' is not supported")
        }
    }
}

/// The fields between `%` and the letter of the type.
private struct PercentField {
    var name: JinjaString?
    var specification = JinjaFormatSpecification()
    var isLeft = false
    var hasZeros = false

    mutating func readName(_ rest: inout ArraySlice<PromptScalar>) throws {
        guard rest.first?.scalar == "(" else { return }
        var depth = 0
        for index in rest.indices {
            if rest[index].scalar == "(" { depth += 1 }
            if rest[index].scalar == ")" { depth -= 1 }
            guard depth == 0 else { continue }
            name = JinjaString(rest[(rest.startIndex + 1)..<index])
            rest = rest[(index + 1)...]
            return
        }
        throw JinjaError.runtime("a format lacks a ')'")
    }

    mutating func readOptions(_ rest: inout ArraySlice<PromptScalar>, _ next: () throws -> Int) throws {
        flags: while let flag = rest.first?.scalar {
            switch flag {
            case "-": isLeft = true
            case "+": specification.sign = "+"
            case " ": if specification.sign != "+" { specification.sign = " " }
            case "#": specification.isAlternate = true
            case "0": hasZeros = true
            default: break flags
            }
            rest.removeFirst()
        }
        var width = try Self.number(&rest, next) ?? 0
        if width < 0 {
            isLeft = true
            width = -width
        }
        specification.width = width
        if rest.first?.scalar == "." {
            rest.removeFirst()
            specification.precision = max(try Self.number(&rest, next) ?? 0, 0)
        }
        while let letter = rest.first?.scalar, "hlL".unicodeScalars.contains(letter) { rest.removeFirst() }
    }

    private static func number(_ rest: inout ArraySlice<PromptScalar>, _ next: () throws -> Int) throws -> Int? {
        if rest.first?.scalar == "*" {
            rest.removeFirst()
            let number = try next()
            guard number.magnitude <= 100_000 else { throw JinjaError.runtime("a format is wider than 100000") }
            return number
        }
        let digits = rest.prefix { ("0"..."9").contains($0.scalar) }
        guard !digits.isEmpty else { return nil }
        rest = rest[digits.endIndex...]
        guard let number = Int(String(digits)), number <= 100_000 else {
            throw JinjaError.runtime("a format is wider than 100000")
        }
        return number
    }
}
