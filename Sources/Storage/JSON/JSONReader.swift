/// A recursive-descent reader of one JSON text, whole values at a time or member by member and element by element.
package struct JSONReader {
    /// The kinds of values that can be told by the first byte.
    package enum Kind {
        /// An object.
        case object
        /// An array.
        case array
        /// A string.
        case string
        /// Anything else, or no value.
        case other
    }

    /// A position between two values to return to.
    package struct Mark {
        fileprivate let position: Int
        fileprivate let depth: Int
        fileprivate let isFirst: Bool
    }

    private let text: [UInt8]
    private let dialect: JSONDialect
    private var position: Int
    /// The number of open objects and arrays.
    private var depth = 0
    /// Whether an object or array was opened and nothing has been read since.
    private var isFirst = false
    private var buffer: [UInt8] = []

    /// Creates a reader at the start of a text.
    package init(_ text: [UInt8], dialect: JSONDialect = .standard) {
        self.text = text
        self.dialect = dialect
        position = TextEncoding.withoutMark(text).startIndex
    }

    /// The position before the next value, or before the comma in front of it.
    package var mark: Mark { Mark(position: position, depth: depth, isFirst: isFirst) }

    /// Goes back to a position.
    package mutating func `return`(to mark: Mark) {
        (position, depth, isFirst) = (mark.position, mark.depth, mark.isFirst)
    }

    /// Throws `json.invalid` if anything but white space is left.
    package mutating func finish() throws {
        skipWhiteSpace()
        guard position == text.count else { throw failure("there is more text after the value") }
    }

    /// The kind of the value that comes next.
    package mutating func nextKind() -> Kind {
        skipWhiteSpace()
        switch next {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        default: return .other
        }
    }

    private func failure(_ what: String, _ code: PVITError.Code = .badJSON) -> PVITError {
        let encoding = TextEncoding(of: text)
        guard encoding == .utf8 else {
            return PVITError(
                code, "invalid JSON: the text is in \(encoding.rawValue), and UTF-8 is needed", remedy: encoding.remedy)
        }
        let offset = UInt64(min(position, text.count))
        return PVITError(code, "invalid JSON: \(what)", bytes: offset..<min(offset + 1, UInt64(text.count)))
    }

    /// The error for a key that occurs twice in the current object.
    package func duplicateKey(_ key: String) -> PVITError {
        failure("the key \"\(key)\" occurs twice", .duplicateJSONKey)
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipWhiteSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    /// Reads a value.
    ///
    /// - Throws: As `JSONValue.init(parsing:)`, except for text after the value.
    package mutating func readValue() throws -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw failure("nesting is too deep") }
        skipWhiteSpace()
        guard let first = next else { throw failure("the text ends too early") }
        switch first {
        case UInt8(ascii: "{"): return .object(try readObject())
        case UInt8(ascii: "["): return .array(try readArray())
        case UInt8(ascii: "\""): return .string(try readText())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "N") where dialect == .python: return try parseWord("NaN", .number(.nan))
        case UInt8(ascii: "I") where dialect == .python: return try parseWord("Infinity", .number(.infinity))
        case UInt8(ascii: "-") where dialect == .python && text.dropFirst(position + 1).first == UInt8(ascii: "I"):
            return try parseWord("-Infinity", .number(-.infinity))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        default: throw failure("a value was expected")
        }
    }

    private mutating func readText() throws -> String {
        // Borrowed, so that all strings share one buffer.
        var bytes: [UInt8] = []
        swap(&bytes, &buffer)
        defer { swap(&bytes, &buffer) }
        bytes.removeAll(keepingCapacity: true)
        try readString(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func readObject() throws -> JSONObject {
        try beginObject()
        var object = JSONObject()
        var bytes: [UInt8] = []
        while try nextKey(into: &bytes) {
            let key = String(decoding: bytes, as: UTF8.self)
            let value = try readValue()
            guard object.append(value, for: key) else { throw duplicateKey(key) }
        }
        return object
    }

    private mutating func readArray() throws -> [JSONValue] {
        try beginArray()
        var elements: [JSONValue] = []
        while try nextElement() { elements.append(try readValue()) }
        return elements
    }

    /// Enters the next value, an object. Read each member by `nextKey` and then its value.
    ///
    /// - Throws: `json.invalid` if the next value is not an object.
    package mutating func beginObject() throws { try begin(UInt8(ascii: "{")) }

    /// Enters the next value, an array. Read each element by `nextElement` and then its value.
    ///
    /// - Throws: `json.invalid` if the next value is not an array.
    package mutating func beginArray() throws { try begin(UInt8(ascii: "[")) }

    private mutating func begin(_ bracket: UInt8) throws {
        guard depth < JSONValue.maximumDepth else { throw failure("nesting is too deep") }
        skipWhiteSpace()
        guard next == bracket else { throw failure("a value was expected") }
        position += 1
        depth += 1
        isFirst = true
    }

    /// Reads the key of the next member. Returns false at the end of the object and leaves it. The caller checks for
    /// keys that occur twice.
    ///
    /// - Parameter key: Receives the key in UTF-8.
    /// - Throws: `json.invalid`.
    package mutating func nextKey(into key: inout [UInt8]) throws -> Bool {
        guard try nextItem(UInt8(ascii: "}"), or: "a comma or a closing brace was expected") else { return false }
        guard nextKind() == .string else { throw failure("a key was expected") }
        key.removeAll(keepingCapacity: true)
        try readString(into: &key)
        skipWhiteSpace()
        guard next == UInt8(ascii: ":") else { throw failure("a colon was expected") }
        position += 1
        return true
    }

    /// Goes to the next element. Returns false at the end of the array and leaves it.
    ///
    /// - Throws: `json.invalid`.
    package mutating func nextElement() throws -> Bool {
        try nextItem(UInt8(ascii: "]"), or: "a comma or a closing bracket was expected")
    }

    private mutating func nextItem(_ bracket: UInt8, or failureText: StaticString) throws -> Bool {
        let wasFirst = isFirst
        isFirst = false
        skipWhiteSpace()
        if next == bracket {
            position += 1
            depth -= 1
            return false
        }
        guard !wasFirst else { return true }
        guard next == UInt8(ascii: ",") else { throw failure(failureText.description) }
        position += 1
        return true
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        let length = word.utf8CodeUnitCount
        guard position + length <= text.count, text[position..<position + length].elementsEqual(word.description.utf8)
        else { throw failure("an unknown word") }
        position += length
        return value
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
        // The fast path for ids and the like, without a string.
        if isWhole, position - start <= 18, text[start] != UInt8(ascii: "-") {
            return .integer(text[start..<position].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
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

    /// Reads the next value, a string, and appends it to `bytes` in UTF-8.
    ///
    /// - Throws: `json.invalid`, also if the next value is not a string.
    package mutating func readString(into bytes: inout [UInt8]) throws {
        guard nextKind() == .string else { throw failure("a string was expected") }
        position += 1
        let first = bytes.count
        var isASCII = true
        while true {
            let start = position
            var end = start
            text.withUnsafeBufferPointer { text in
                while end < text.count, case let byte = text[end], byte != UInt8(ascii: "\""),
                    byte != UInt8(ascii: "\\"), byte >= 0x20
                {
                    if byte >= 0x80 { isASCII = false }
                    end += 1
                }
                bytes.append(contentsOf: text[start..<end])
            }
            position = end
            guard let byte = next else { throw failure("a string does not end") }
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard isASCII || (try? UTF8Span(validating: bytes.span.extracting(first..<bytes.count))) != nil else {
                    throw failure("a string is not valid UTF-8")
                }
                return
            case UInt8(ascii: "\\"): bytes.append(contentsOf: try parseEscape())
            default: throw failure("a control character in a string")
            }
        }
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
