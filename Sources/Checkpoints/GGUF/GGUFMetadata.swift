import Storage

/// The types of metadata values (`gguf_type` of gguf.h).
package enum GGUFValueType: UInt32, Sendable, Hashable {
    /// Unsigned, 8 bits.
    case u8 = 0
    /// Signed, 8 bits.
    case i8 = 1
    /// Unsigned, 16 bits.
    case u16 = 2
    /// Signed, 16 bits.
    case i16 = 3
    /// Unsigned, 32 bits.
    case u32 = 4
    /// Signed, 32 bits.
    case i32 = 5
    /// IEEE 754 binary32.
    case f32 = 6
    /// One byte: 0 or 1.
    case bool = 7
    /// UTF-8 behind a 64-bit length.
    case string = 8
    /// An element type, a 64-bit count, and so many elements.
    case array = 9
    /// Unsigned, 64 bits.
    case u64 = 10
    /// Signed, 64 bits.
    case i64 = 11
    /// IEEE 754 binary64.
    case f64 = 12

    /// The size in bytes of a value; nil for strings and arrays.
    var byteCount: Int? {
        switch self {
        case .u8, .i8, .bool: 1
        case .u16, .i16: 2
        case .u32, .i32, .f32: 4
        case .u64, .i64, .f64: 8
        case .string, .array: nil
        }
    }
}

/// The key-value pairs of a GGUF file: the range of each value. Values are read on request.
struct GGUFMetadata: Sendable {
    /// The type and range of a value.
    struct Location: Sendable {
        /// The type of the value, or of each element.
        let type: GGUFValueType
        /// The number of elements; nil for a single value.
        let count: Int?
        /// The bytes of the value or of the elements; those of a single string without its length.
        let bytes: Range<Int>
    }

    /// The most keys. Files have a few dozen.
    static let maximumCount = 65536
    /// The longest key, in bytes: the format's own limit.
    static let maximumKeyByteCount = 65535

    /// The keys in the order of the file.
    private(set) var keys: [String] = []
    private var locations: [ExactText: Location] = [:]

    /// The type and range of a key's value, or nil.
    subscript(key: String) -> Location? { locations[ExactText(key)] }

    /// Reads `count` pairs.
    ///
    /// - Throws: `gguf.key`, `gguf.duplicate-key`, `gguf.value-type`, `gguf.nested-array` or `gguf.truncated`, naming
    ///   bytes.
    init(_ bytes: RawSpan, count: Int, _ cursor: inout GGUFCursor) throws {
        for _ in 0..<count {
            let keyRange = try cursor.string(bytes, "a key")
            let key = try bytes.text(keyRange, atMost: Self.maximumKeyByteCount, orThrow: .ggufKey, "a key")
            guard !key.isEmpty else {
                throw PVITError(
                    .ggufKey, "a key is empty",
                    bytes: UInt64(keyRange.lowerBound - 8)..<UInt64(keyRange.lowerBound))
            }
            guard locations[ExactText(key)] == nil else {
                throw PVITError(
                    .ggufDuplicateKey, "the key \(key) occurs twice",
                    bytes: UInt64(keyRange.lowerBound)..<UInt64(keyRange.upperBound))
            }
            keys.append(key)
            locations[ExactText(key)] = try Self.location(of: key, bytes, &cursor)
        }
    }

    private static func location(of key: String, _ bytes: RawSpan, _ cursor: inout GGUFCursor) throws -> Location {
        let type = try valueType(of: key, bytes, &cursor)
        guard type == .array else {
            return Location(type: type, count: nil, bytes: try skipValue(of: key, type, bytes, &cursor))
        }
        let typeOffset = cursor.offset
        let elementType = try valueType(of: key, bytes, &cursor)
        guard elementType != .array else {
            throw PVITError(
                .ggufNestedArray, "the value of \(key) is an array of arrays, which is not supported",
                bytes: UInt64(typeOffset)..<UInt64(typeOffset + 4))
        }
        let countOffset = cursor.offset
        let count: UInt64 = try cursor.integer(bytes, "the value of \(key)")
        // A string takes at least the eight bytes of its length.
        let left = bytes.byteCount - cursor.offset
        guard count <= UInt64(left / (elementType.byteCount ?? 8)) else {
            throw PVITError(
                .ggufTruncated, "the value of \(key) should have \(count) elements, but \(left) bytes are left",
                bytes: UInt64(countOffset)..<UInt64(countOffset + 8))
        }
        let start = cursor.offset
        if let size = elementType.byteCount {
            try cursor.skip(bytes, Int(count) * size, "the value of \(key)")
        } else {
            for _ in 0..<Int(count) { _ = try cursor.string(bytes, "an element of \(key)") }
        }
        return Location(type: elementType, count: Int(count), bytes: start..<cursor.offset)
    }

    private static func valueType(
        of key: String, _ bytes: RawSpan, _ cursor: inout GGUFCursor
    ) throws -> GGUFValueType {
        let offset = cursor.offset
        let number: UInt32 = try cursor.integer(bytes, "the value of \(key)")
        guard let type = GGUFValueType(rawValue: number) else {
            throw PVITError(
                .ggufValueType, "the value of \(key) has the unknown type \(number)",
                bytes: UInt64(offset)..<UInt64(offset + 4))
        }
        return type
    }

    private static func skipValue(
        of key: String, _ type: GGUFValueType, _ bytes: RawSpan, _ cursor: inout GGUFCursor
    ) throws -> Range<Int> {
        guard let size = type.byteCount else { return try cursor.string(bytes, "the value of \(key)") }
        return try cursor.skip(bytes, size, "the value of \(key)")
    }
}
