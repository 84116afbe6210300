extension PVITError.Code {
    /// A text is not valid JSON or nests too deeply.
    public static let badJSON = Self("json.invalid", .badData)
    /// A JSON object has two members of the same key.
    public static let duplicateJSONKey = Self("json.duplicate-key", .badData)
}

extension JSONValue {
    /// The deepest nesting that is read.
    public static let maximumDepth = 128

    /// Reads a JSON text (RFC 8259, UTF-8 without byte order mark).
    ///
    /// - Throws: `json.invalid` with the byte offset for anything that is not JSON, for nesting past `maximumDepth` and for
    ///   lone surrogates; `json.duplicate-key` for a key that occurs twice in one object.
    public init(parsing text: [UInt8]) throws {
        var parser = JSONParser(text: text)
        self = try parser.parseDocument()
    }
}

/// A recursive-descent reader of one JSON text.
private struct JSONParser {
    let text: [UInt8]
    var position = 0

    init(text: [UInt8]) { self.text = text }

    mutating func parseDocument() throws -> JSONValue {
        let value = try parseValue(depth: 0)
        skipWhiteSpace()
        guard position == text.count else { throw failure("there is more text after the value") }
        return value
    }

    private func failure(_ what: String, _ code: PVITError.Code = .badJSON) -> PVITError {
        let place = UInt64(min(position, text.count))
        return PVITError(code, "invalid JSON: \(what)", bytes: place..<min(place + 1, UInt64(text.count)))
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipWhiteSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func parseValue(depth: Int) throws -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw failure("nesting is too deep") }
        skipWhiteSpace()
        guard let first = next else { throw failure("the text ends too early") }
        switch first {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        default: throw failure("a value was expected")
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        let length = word.utf8CodeUnitCount
        guard position + length <= text.count, text[position..<position + length].elementsEqual(word.description.utf8)
        else { throw failure("an unknown word") }
        position += length
        return value
    }

    private mutating func parseObject(depth: Int) throws -> JSONObject {
        position += 1
        var object = JSONObject()
        skipWhiteSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return object
        }
        while true {
            skipWhiteSpace()
            guard next == UInt8(ascii: "\"") else { throw failure("a key was expected") }
            let key = try parseString()
            skipWhiteSpace()
            guard next == UInt8(ascii: ":") else { throw failure("a colon was expected") }
            position += 1
            let value = try parseValue(depth: depth + 1)
            guard object[key] == nil else {
                throw failure("the key \"\(key)\" occurs twice", .duplicateJSONKey)
            }
            object[key] = value
            skipWhiteSpace()
            switch next {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return object
            default: throw failure("a comma or a closing brace was expected")
            }
        }
    }

    private mutating func parseArray(depth: Int) throws -> [JSONValue] {
        position += 1
        var elements: [JSONValue] = []
        skipWhiteSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            elements.append(try parseValue(depth: depth + 1))
            skipWhiteSpace()
            switch next {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return elements
            default: throw failure("a comma or a closing bracket was expected")
            }
        }
    }

    private mutating func parseNumber() throws -> JSONValue {
        let start = position
        var isWhole = true
        if next == UInt8(ascii: "-") { position += 1 }
        guard let first = next, isDigit(first) else { throw failure("a digit was expected") }
        if first == UInt8(ascii: "0") { position += 1 } else { skipDigits() }
        if next == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            guard let digit = next, isDigit(digit) else { throw failure("a digit was expected") }
            skipDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isWhole = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard let digit = next, isDigit(digit) else { throw failure("a digit was expected") }
            skipDigits()
        }
        let digits = String(decoding: text[start..<position], as: UTF8.self)
        if isWhole, let value = Int(digits) { return .integer(value) }
        guard let value = Double(digits), value.isFinite else { throw failure("a number out of range") }
        return .number(value)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private mutating func skipDigits() {
        while let byte = next, isDigit(byte) { position += 1 }
    }

    private mutating func parseString() throws -> String {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        var bytes = text[start..<position]
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw failure("a string is not valid UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): bytes.append(contentsOf: try parseEscape())
            case 0..<0x20: throw failure("a control character in a string")
            default: bytes.append(byte)
            }
        }
        throw failure("a string does not end")
    }

    private mutating func parseEscape() throws -> [UInt8] {
        guard let kind = next else { throw failure("a string does not end") }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [kind]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var code = try parseHexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard next == UInt8(ascii: "\\") else { throw failure("a lone surrogate") }
                position += 1
                guard next == UInt8(ascii: "u") else { throw failure("a lone surrogate") }
                position += 1
                let low = try parseHexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("a lone surrogate") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("a lone surrogate") }
            return Array(String(Character(scalar)).utf8)
        default: throw failure("an unknown escape")
        }
    }

    private mutating func parseHexadecimal() throws -> UInt32 {
        guard position + 4 <= text.count else { throw failure("a string does not end") }
        var code: UInt32 = 0
        for byte in text[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw failure("four hexadecimal digits were expected")
            }
            code = code << 4 | UInt32(digit)
        }
        position += 4
        return code
    }
}
