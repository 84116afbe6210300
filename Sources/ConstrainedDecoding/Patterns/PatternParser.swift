/// Parses the part of ECMA-262's regular expressions that describes regular languages. Texts are code points, as with
/// the flag `u`.
struct PatternParser {
    /// Why a pattern cannot be used.
    enum Failure: Error {
        /// It is no regular expression.
        case malformed(String)
        /// It uses something that is not supported.
        case unsupported(String)
    }

    private static let maximumNesting = 50
    private static let maximumRepetition = 100_000

    private let text: [Unicode.Scalar]
    private var position = 0
    private var nesting = 0

    private init(_ pattern: String) { text = Array(pattern.unicodeScalars) }

    /// Parses a pattern.
    static func parse(_ pattern: String) throws(Failure) -> PatternNode {
        var parser = PatternParser(pattern)
        let node = try parser.parseChoice()
        guard parser.next == nil else { throw .malformed("a parenthesis is closed that was not opened") }
        return node
    }

    private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func parseChoice() throws(Failure) -> PatternNode {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.maximumNesting else { throw .unsupported("groups nest too deeply") }
        var alternatives: [PatternNode] = []
        repeat { alternatives.append(try parseSequence()) } while take("|")
        return alternatives.count == 1 ? alternatives[0] : .choice(alternatives)
    }

    private mutating func parseSequence() throws(Failure) -> PatternNode {
        var items: [PatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let isAssertion = scalar == "^" || scalar == "$"
            let item = try parseAtom()
            items.append(try parseQuantifier(of: item, isAllowed: !isAssertion))
        }
        return items.count == 1 ? items[0] : .sequence(items)
    }

    private mutating func parseQuantifier(of item: PatternNode, isAllowed: Bool) throws(Failure) -> PatternNode {
        let bounds: (Int, Int?)
        switch next {
        case "*": bounds = (0, nil)
        case "+": bounds = (1, nil)
        case "?": bounds = (0, 1)
        case "{": bounds = try parseBounds()
        default: return item
        }
        guard isAllowed else { throw .malformed("there is nothing to repeat") }
        position += 1
        // Lazy quantifiers match the same texts.
        _ = take("?")
        if let next, "*+?{".unicodeScalars.contains(next) { throw .malformed("there is nothing to repeat") }
        return .repetition(item, minimum: bounds.0, maximum: bounds.1)
    }

    /// Parses `{m}`, `{m,}` or `{m,n}` up to its closing brace.
    private mutating func parseBounds() throws(Failure) -> (Int, Int?) {
        position += 1
        let minimum = try parseNumber()
        var maximum: Int? = minimum
        if take(",") { maximum = next == "}" ? nil : try parseNumber() }
        guard next == "}" else { throw .malformed("a quantifier is not closed") }
        guard maximum ?? minimum >= minimum else { throw .malformed("the bounds of a quantifier are out of order") }
        return (minimum, maximum)
    }

    private mutating func parseNumber() throws(Failure) -> Int {
        let start = position
        var value = 0
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = min(value * 10 + Int(scalar.value - 0x30), Self.maximumRepetition)
            position += 1
        }
        guard position > start else { throw .malformed("a quantifier has no number") }
        return value
    }

    private mutating func parseAtom() throws(Failure) -> PatternNode {
        guard let scalar = next else { throw .malformed("the pattern ends too early") }
        position += 1
        switch scalar {
        case "^": return .start
        case "$": return .end
        case ".": return .character(CodePointSet.lineBreaks.complement)
        case "(": return try parseGroup()
        case "[": return .character(try parseClass())
        case "\\": return .character(try parseEscape(isInClass: false))
        case "*", "+", "?", "{": throw .malformed("there is nothing to repeat")
        case "]", "}": throw .malformed("a lone \(scalar) must be escaped")
        default: return .character(CodePointSet([scalar.value...scalar.value]))
        }
    }

    private mutating func parseGroup() throws(Failure) -> PatternNode {
        if take("?") {
            if take("<") {
                if next == "=" || next == "!" { throw .unsupported("lookbehind") }
                // The name of a group.
                while let scalar = next, scalar != ">" {
                    guard scalar.properties.isAlphabetic || scalar == "_" || ("0"..."9").contains(scalar) else {
                        throw .malformed("the name of a group is malformed")
                    }
                    position += 1
                }
                guard take(">") else { throw .malformed("the name of a group is not closed") }
            } else if next == "=" || next == "!" {
                throw .unsupported("lookahead")
            } else if !take(":") {
                throw .unsupported("a group that begins with (?")
            }
        }
        let node = try parseChoice()
        guard take(")") else { throw .malformed("a parenthesis is not closed") }
        return node
    }
}

extension PatternParser {
    private mutating func parseClass() throws(Failure) -> CodePointSet {
        let isNegated = take("^")
        var set = CodePointSet([])
        while !take("]") {
            let first = try parseClassItem()
            guard next == "-", position + 1 < text.count, text[position + 1] != "]" else {
                set = set.union(first)
                continue
            }
            position += 1
            let second = try parseClassItem()
            guard let low = first.onlyMember, let high = second.onlyMember else {
                throw .malformed("a range needs a character at either end")
            }
            guard low <= high else { throw .malformed("a range is out of order") }
            set = set.union(CodePointSet([low...high]))
        }
        return isNegated ? set.complement : set
    }

    private mutating func parseClassItem() throws(Failure) -> CodePointSet {
        guard let scalar = next else { throw .malformed("a class is not closed") }
        position += 1
        if scalar == "\\" { return try parseEscape(isInClass: true) }
        return CodePointSet([scalar.value...scalar.value])
    }

    private mutating func parseEscape(isInClass: Bool) throws(Failure) -> CodePointSet {
        guard let scalar = next else { throw .malformed("an escape ends too early") }
        position += 1
        switch scalar {
        case "d": return .digits
        case "D": return CodePointSet.digits.complement
        case "w": return .wordCharacters
        case "W": return CodePointSet.wordCharacters.complement
        case "s": return .whiteSpace
        case "S": return CodePointSet.whiteSpace.complement
        case "t": return CodePointSet([0x09...0x09])
        case "n": return CodePointSet([0x0A...0x0A])
        case "v": return CodePointSet([0x0B...0x0B])
        case "f": return CodePointSet([0x0C...0x0C])
        case "r": return CodePointSet([0x0D...0x0D])
        case "b" where isInClass: return CodePointSet([0x08...0x08])
        case "b", "B": throw .unsupported("\\\(scalar)")
        case "0":
            if let next, ("0"..."9").contains(next) { throw .malformed("an octal escape") }
            return CodePointSet([0...0])
        case "1"..."9": throw .unsupported("a reference to a group")
        case "k": throw .unsupported("a reference to a group")
        case "p", "P": throw .unsupported("\\\(scalar)")
        case "c":
            guard let letter = next, ("a"..."z").contains(letter) || ("A"..."Z").contains(letter) else {
                throw .malformed("\\c without a letter")
            }
            position += 1
            return CodePointSet([letter.value % 32...letter.value % 32])
        case "x":
            let value = try parseHexadecimal(2)
            return CodePointSet([value...value])
        case "u": return try parseUnicode()
        case "-" where isInClass: return CodePointSet([0x2D...0x2D])
        case "^", "$", "\\", ".", "*", "+", "?", "(", ")", "[", "]", "{", "}", "|", "/":
            return CodePointSet([scalar.value...scalar.value])
        default:
            // Other letters have no meaning; for punctuation the meaning is plain.
            guard scalar.value < 0x80, !("a"..."z").contains(scalar), !("A"..."Z").contains(scalar) else {
                throw .malformed("an unknown escape")
            }
            return CodePointSet([scalar.value...scalar.value])
        }
    }

    private mutating func parseUnicode() throws(Failure) -> CodePointSet {
        var value: UInt32 = 0
        if take("{") {
            let start = position
            while let scalar = next, let digit = Self.hexadecimal(scalar) {
                value = min(value * 16 + digit, 0x110000)
                position += 1
            }
            guard position > start, take("}"), value <= 0x10FFFF else {
                throw .malformed("\\u{…} without a code point")
            }
        } else {
            value = try parseHexadecimal(4)
            if (0xD800..<0xDC00).contains(value), next == "\\", position + 1 < text.count, text[position + 1] == "u" {
                position += 2
                let low = try parseHexadecimal(4)
                guard (0xDC00..<0xE000).contains(low) else { throw .unsupported("a lone surrogate") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
        }
        guard !(0xD800..<0xE000).contains(value) else { throw .unsupported("a lone surrogate") }
        return CodePointSet([value...value])
    }

    private mutating func parseHexadecimal(_ count: Int) throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let scalar = next, let digit = Self.hexadecimal(scalar) else {
                throw .malformed("\(count) hexadecimal digits were expected")
            }
            value = value * 16 + digit
            position += 1
        }
        return value
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> UInt32? {
        switch scalar {
        case "0"..."9": scalar.value - 0x30
        case "a"..."f": scalar.value - 0x57
        case "A"..."F": scalar.value - 0x37
        default: nil
        }
    }
}

extension CodePointSet {
    /// The member, if there is exactly one.
    fileprivate var onlyMember: UInt32? {
        guard ranges.count == 1, let range = ranges.first, range.count == 1 else { return nil }
        return range.lowerBound
    }
}
