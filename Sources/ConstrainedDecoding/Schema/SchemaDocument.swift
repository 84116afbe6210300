import Storage

/// The number of a subschema in a `SchemaDocument`.
typealias SubschemaID = Int

/// A JSON Schema as a document: its subschemas by their JSON pointers.
struct SchemaDocument {
    /// A subschema.
    struct Subschema {
        let value: JSONValue
        /// The JSON pointer (RFC 6901) where it was found first, empty for the whole schema.
        let pointer: String
    }

    /// The largest number of bytes of a schema.
    static let maximumByteCount = 65_536

    private let root: JSONValue
    private var subschemas: [Subschema] = []
    private var numbers: [ExactText: SubschemaID] = [:]
    /// References do not depend on where they stand, so subschemas with the same text have one number.
    private var numbersOfTexts: [[UInt8]: SubschemaID] = [:]

    /// Takes a schema.
    init(_ root: JSONValue) throws {
        self.root = root
        let size = root.encoded().count
        guard size <= Self.maximumByteCount else {
            throw PVITError.schemaTooLarge("the schema has \(size) bytes, more than \(Self.maximumByteCount)")
        }
    }

    /// A subschema.
    subscript(id: SubschemaID) -> Subschema { subschemas[id] }

    /// The number of the whole schema.
    mutating func rootID() throws -> SubschemaID { try number(of: root, at: "") }

    /// The number of the subschema at a place.
    mutating func number(of value: JSONValue, at pointer: String) throws -> SubschemaID {
        if let known = numbers[ExactText(pointer)] { return known }
        switch value {
        case .object, .bool: break
        default: throw PVITError.schemaInvalid("a schema must be an object, true or false", at: pointer)
        }
        let text = value.encoded()
        let number = numbersOfTexts[text] ?? subschemas.count
        if number == subschemas.count { subschemas.append(Subschema(value: value, pointer: pointer)) }
        numbersOfTexts[text] = number
        numbers[ExactText(pointer)] = number
        return number
    }

    /// The number of the subschema that a reference names.
    mutating func resolve(_ reference: String, at pointer: String) throws -> SubschemaID {
        guard reference.utf8.first == UInt8(ascii: "#") else {
            throw PVITError.schemaUnsupported("$ref to another document", at: pointer)
        }
        guard let path = Self.percentDecoded(reference.utf8.dropFirst()) else {
            throw PVITError.schemaInvalid("$ref is malformed", at: pointer)
        }
        var value = root
        var target = ""
        guard !path.isEmpty else { return try number(of: root, at: target) }
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw PVITError.schemaUnsupported("$ref to an anchor", at: pointer)
        }
        for token in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let key = Self.unescaped(token.utf8) else {
                throw PVITError.schemaInvalid("$ref is malformed", at: pointer)
            }
            let next: JSONValue? =
                if case .array(let elements) = value {
                    Int(key).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
                } else {
                    value[key]
                }
            guard let next else { throw PVITError.schemaInvalid("$ref names nothing in the schema", at: pointer) }
            value = next
            target = Self.appending(key, to: target)
        }
        return try number(of: value, at: target)
    }

    /// A pointer with one more step.
    static func appending(_ key: String, to pointer: String) -> String {
        var result = pointer + "/"
        for scalar in key.unicodeScalars {
            switch scalar {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func unescaped(_ token: Substring.UTF8View) -> String? {
        unescaped(token, escape: UInt8(ascii: "~")) { rest in
            switch rest.popFirst() {
            case UInt8(ascii: "0"): UInt8(ascii: "~")
            case UInt8(ascii: "1"): UInt8(ascii: "/")
            default: nil
            }
        }
    }

    private static func percentDecoded(_ text: Substring.UTF8View) -> String? {
        unescaped(text, escape: UInt8(ascii: "%")) { rest in
            guard rest.count >= 2 else { return nil }
            defer { rest = rest.dropFirst(2) }
            return UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        }
    }

    /// Replaces each escape sequence by the byte that `next` reads after its first byte; nil if `next` reads none, or
    /// the result is not UTF-8.
    private static func unescaped(
        _ text: Substring.UTF8View, escape: UInt8, next: (inout Substring.UTF8View) -> UInt8?
    ) -> String? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard let decoded = byte == escape ? next(&rest) : byte else { return nil }
            bytes.append(decoded)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
