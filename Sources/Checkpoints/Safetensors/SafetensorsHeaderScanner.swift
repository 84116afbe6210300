import Storage
import Tensors

/// Reads the JSON object of a header member by member: a hostile header of 100 MB needs the memory of one member, not
/// of a tree of millions of values.
struct SafetensorsHeaderScanner {
    /// The longest text of a tensor's entry, in bytes.
    static let maximumEntryByteCount = 1 << 16
    /// The longest text of `__metadata__`, in bytes.
    static let maximumMetadataByteCount = 16 << 20

    private let text: [UInt8]
    private var position = 0
    private var names: Set<String> = []

    /// - Parameter text: The header, which is UTF-8.
    init(text: [UInt8]) { self.text = text }

    /// The next member, or nil after the last.
    ///
    /// - Throws: `safetensors.header-json`, `safetensors.duplicate-name`; `safetensors.entry` or `safetensors.metadata`
    ///   for values past the limits above.
    mutating func next() throws -> (name: String, value: JSONValue)? {
        let isFirst = position == 0
        if isFirst { try expect(UInt8(ascii: "{"), "an opening brace") }
        skipWhiteSpace()
        if byte == UInt8(ascii: "}") {
            position += 1
            skipWhiteSpace()
            guard position == text.count else { throw failure("there is more text after the object") }
            return nil
        }
        if !isFirst {
            try expect(UInt8(ascii: ","), "a comma or a closing brace")
            skipWhiteSpace()
        }
        guard byte == UInt8(ascii: "\"") else { throw failure("a name was expected") }
        let nameStart = position
        try skipString()
        guard let name = try parse(nameStart..<position).string else { throw failure("a name was expected") }
        guard names.insert(name).inserted else {
            throw PVITError(
                .safetensorsDuplicateName, "two tensors have this name", tensor: TensorName(name),
                bytes: fileRange(nameStart..<position))
        }
        skipWhiteSpace()
        try expect(UInt8(ascii: ":"), "a colon")
        skipWhiteSpace()
        return (name, try value(of: name))
    }

    private mutating func value(of name: String) throws -> JSONValue {
        let start = position
        try skipValue()
        let isMetadata = name == SafetensorsHeader.metadataName
        let limit = isMetadata ? Self.maximumMetadataByteCount : Self.maximumEntryByteCount
        guard position - start <= limit else {
            throw PVITError(
                isMetadata ? .safetensorsMetadata : .safetensorsEntry,
                "a value of \(position - start) bytes is longer than the \(limit) that are read",
                tensor: isMetadata ? nil : TensorName(name), bytes: fileRange(start..<position))
        }
        do {
            return try parse(start..<position)
        } catch let error as PVITError {
            throw isMetadata ? error : error.located(tensor: TensorName(name))
        }
    }

    private func parse(_ range: Range<Int>) throws -> JSONValue {
        do {
            return try JSONValue(parsing: Array(text[range]))
        } catch let error as PVITError {
            let code: PVITError.Code =
                error.code == .duplicateJSONKey ? .safetensorsDuplicateName : .safetensorsHeaderJSON
            let start = UInt64(range.lowerBound + 8)
            throw PVITError(
                code, "the header is not valid: \(error.what)",
                bytes: error.bytes.map { $0.lowerBound + start..<$0.upperBound + start })
        }
    }

    /// Skips a value by its brackets. `parse` checks its content.
    private mutating func skipValue() throws {
        var depth = 0
        while let byte {
            switch byte {
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return }
                depth -= 1
                position += 1
            case UInt8(ascii: ",") where depth == 0: return
            default:
                position += 1
                continue
            }
            if depth == 0 { return }
        }
        if depth > 0 { throw failure("the text ends too early") }
    }

    private mutating func skipString() throws {
        position += 1
        while let byte {
            position += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return }
        }
        throw failure("a string does not end")
    }

    private var byte: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipWhiteSpace() {
        while let byte, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func expect(_ expected: UInt8, _ what: String) throws {
        guard byte == expected else { throw failure("\(what) was expected") }
        position += 1
    }

    /// A range of the text as file offsets.
    private func fileRange(_ range: Range<Int>) -> Range<UInt64> {
        UInt64(range.lowerBound + 8)..<UInt64(range.upperBound + 8)
    }

    private func failure(_ what: String) -> PVITError {
        let start = min(position, text.count)
        return PVITError(
            .safetensorsHeaderJSON, "the header is not valid: \(what)",
            bytes: fileRange(start..<min(start + 1, text.count))
        )
    }
}
