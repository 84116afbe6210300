import Storage

extension PVITError.Code {
    /// A JSON Schema does not follow its specification, or nothing satisfies it.
    package static let schemaInvalid = Self("schema.invalid", .badData)
    /// A JSON Schema has a keyword, or a value of a keyword, that is not supported.
    package static let schemaUnsupported = Self("schema.unsupported", .badData)
    /// A JSON Schema needs more memory or time than is allowed.
    package static let schemaTooLarge = Self("schema.too-large", .badData)
}

extension PVITError {
    /// The error for a malformed schema.
    static func schemaInvalid(_ what: String, at pointer: String) -> PVITError {
        PVITError(.schemaInvalid, "invalid JSON Schema at \(shown(pointer)): \(what)")
    }

    /// The error for a keyword that is not supported.
    static func schemaUnsupported(_ what: String, at pointer: String) -> PVITError {
        PVITError(
            .schemaUnsupported, "unsupported JSON Schema at \(shown(pointer)): \(what)",
            remedy: "formats/json_schema.md lists what is supported")
    }

    /// The error for a schema that is too large.
    static func schemaTooLarge(_ what: String) -> PVITError {
        PVITError(.schemaTooLarge, what, remedy: "use a simpler schema")
    }

    /// A JSON pointer in the form of a fragment, cut if it is long.
    private static func shown(_ pointer: String) -> String {
        pointer.unicodeScalars.count <= 200 ? "#\(pointer)" : "#\(pointer.unicodeScalars.prefix(200))…"
    }
}
