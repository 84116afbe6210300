extension PVITError.Code {
    /// A text is not valid JSON or nests too deeply.
    public static let badJSON = Self("json.invalid", .badData)
    /// A JSON object has two members of the same key.
    public static let duplicateJSONKey = Self("json.duplicate-key", .badData)
}

extension JSONValue {
    /// The deepest nesting that is read.
    public static let maximumDepth = 128

    /// Reads a JSON text (RFC 8259, UTF-8). A byte order mark in front of it is passed over.
    ///
    /// - Parameter dialect: What is read beside standard JSON.
    /// - Throws: `json.invalid` with the byte offset for anything that is not JSON, for nesting past `maximumDepth` and
    ///   for lone surrogates; `json.duplicate-key` for a key that occurs twice in one object.
    public init(parsing text: [UInt8], dialect: JSONDialect = .standard) throws {
        var reader = JSONReader(text, dialect: dialect)
        self = try reader.readValue()
        try reader.finish()
    }
}

/// Which JSON is read.
public enum JSONDialect: Sendable {
    /// RFC 8259.
    case standard
    /// What Python's `json` module writes: also the numbers `NaN`, `Infinity` and `-Infinity`.
    case python
}
