extension PVITError.Code {
    /// A text is not valid JSON or nests too deeply.
    public static let badJSON = Self("json.invalid", .badData)
    /// A JSON object has two members with the same key.
    public static let duplicateJSONKey = Self("json.duplicate-key", .badData)
}

extension JSONValue {
    /// The deepest nesting that is read.
    package static let maximumDepth = 128

    /// Reads a JSON text (RFC 8259, UTF-8). A leading byte order mark is skipped.
    ///
    /// - Parameter dialect: The extensions of standard JSON to read.
    /// - Throws: `json.invalid` with the byte offset for invalid JSON, for nesting beyond `maximumDepth` and for lone
    ///   surrogates; `json.duplicate-key` for a key that occurs twice in an object.
    package init(parsing text: [UInt8], dialect: JSONDialect = .standard) throws {
        var reader = JSONReader(text, dialect: dialect)
        self = try reader.readValue()
        try reader.finish()
    }
}

/// The variants of JSON that are read.
package enum JSONDialect: Sendable {
    /// RFC 8259.
    case standard
    /// What Python's `json` module writes: also the numbers `NaN`, `Infinity` and `-Infinity`.
    case python
}
