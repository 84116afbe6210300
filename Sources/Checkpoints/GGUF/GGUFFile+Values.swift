import Storage

/// Metadata values.
extension GGUFFile {
    /// The largest number of elements in an array.
    private static let maximumArrayCount = 1 << 22
    /// The longest text, in bytes.
    private static let maximumTextByteCount = 1 << 24

    /// The whole number under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else.
    package func integer(_ key: String) throws -> Int? {
        try value(key, "a whole number") { if case .integer(let number) = $0 { number } else { nil } }
    }

    /// The number under a key, or nil when there is no such key. An f32 becomes the shortest decimal that denotes it,
    /// so that 1e-05 stays 1e-05.
    ///
    /// - Throws: `gguf.metadata` when the value is something else, infinite or not a number.
    package func number(_ key: String) throws -> Double? {
        try value(key, "a number") { value in value.double.flatMap { $0.isFinite ? $0 : nil } }
    }

    /// The boolean under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.value-type` when it is neither 0 nor 1.
    package func bool(_ key: String) throws -> Bool? {
        try value(key, "a boolean") { if case .bool(let flag) = $0 { flag } else { nil } }
    }

    private func value<Result>(_ key: String, _ expected: String, _ convert: (Value) -> Result?) throws -> Result? {
        guard let location = mapped.header.metadata[key] else { return nil }
        guard location.count == nil, let value = try values(location).first, let result = convert(value) else {
            throw wrongType(key, location, expected)
        }
        return result
    }

    /// The text under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.text`.
    package func string(_ key: String) throws -> String? {
        guard let location = mapped.header.metadata[key] else { return nil }
        guard location.count == nil, location.type == .string else { throw wrongType(key, location, "a text") }
        return try located {
            try mapped.file.withBytes(0..<location.bytes.upperBound) {
                try $0.text(
                    location.bytes, atMost: Self.maximumTextByteCount, orThrow: .ggufText, "the value of \(key)")
            }
        }
    }

    /// The texts under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.text`.
    package func strings(_ key: String) throws -> [String]? {
        guard let location = mapped.header.metadata[key] else { return nil }
        guard let count = location.count, location.type == .string else {
            throw wrongType(key, location, "an array of texts")
        }
        try checkCount(count, key, location)
        return try located {
            try mapped.file.withBytes(0..<location.bytes.upperBound) { bytes in
                var cursor = GGUFCursor(offset: location.bytes.lowerBound)
                return try (0..<count).map { _ in
                    let range = try cursor.string(bytes, "an element of \(key)")
                    return try bytes.text(
                        range, atMost: Self.maximumTextByteCount, orThrow: .ggufText, "an element of \(key)")
                }
            }
        }
    }

    /// The whole numbers under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else.
    package func integers(_ key: String) throws -> [Int]? {
        try values(key, of: "whole numbers") { if case .integer(let number) = $0 { number } else { nil } }
    }

    /// The numbers under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else.
    package func numbers(_ key: String) throws -> [Double]? { try values(key, of: "numbers", \.double) }

    private func values<Result>(
        _ key: String, of expected: String, _ convert: (Value) -> Result?
    ) throws -> [Result]? {
        guard let location = mapped.header.metadata[key] else { return nil }
        guard location.count != nil, location.type != .string else {
            throw wrongType(key, location, "an array of numbers")
        }
        return try values(location, key).map { value in
            guard let result = convert(value) else { throw wrongType(key, location, "an array of \(expected)") }
            return result
        }
    }

    private enum Value {
        case integer(Int)
        case number(Double)
        case bool(Bool)
        /// An unsigned number past the range of `Int`, or a text.
        case other

        var double: Double? {
            switch self {
            case .integer(let number): Double(number)
            case .number(let number): number
            case .bool, .other: nil
            }
        }
    }

    private func values(_ location: GGUFMetadata.Location, _ key: String = "") throws -> [Value] {
        guard let size = location.type.byteCount else { return [.other] }
        let count = location.count ?? 1
        try checkCount(count, key, location)
        return try located {
            try mapped.file.withBytes(location.bytes) { bytes in
                try (0..<count).map {
                    try Self.value(bytes, location.type, at: $0 * size, from: location.bytes.lowerBound)
                }
            }
        }
    }

    private static func value(
        _ bytes: RawSpan, _ type: GGUFValueType, at offset: Int, from start: Int
    ) throws -> Value {
        switch type {
        case .u8: return .integer(Int(try bytes.littleEndian(at: offset, as: UInt8.self)))
        case .i8: return .integer(Int(try bytes.littleEndian(at: offset, as: Int8.self)))
        case .u16: return .integer(Int(try bytes.littleEndian(at: offset, as: UInt16.self)))
        case .i16: return .integer(Int(try bytes.littleEndian(at: offset, as: Int16.self)))
        case .u32: return .integer(Int(try bytes.littleEndian(at: offset, as: UInt32.self)))
        case .i32: return .integer(Int(try bytes.littleEndian(at: offset, as: Int32.self)))
        case .i64: return .integer(Int(try bytes.littleEndian(at: offset, as: Int64.self)))
        case .u64:
            return Int(exactly: try bytes.littleEndian(at: offset, as: UInt64.self)).map { .integer($0) } ?? .other
        case .f32:
            let number = Float(bitPattern: try bytes.littleEndian(at: offset))
            return .number(Double("\(number)") ?? Double(number))
        case .f64: return .number(Double(bitPattern: try bytes.littleEndian(at: offset)))
        case .bool:
            let byte: UInt8 = try bytes.littleEndian(at: offset)
            guard byte <= 1 else {
                throw PVITError(
                    .ggufValueType, "a boolean is \(byte), neither 0 nor 1",
                    bytes: UInt64(start + offset)..<UInt64(start + offset + 1))
            }
            return .bool(byte == 1)
        case .string, .array: return .other
        }
    }

    private func checkCount(_ count: Int, _ key: String, _ location: GGUFMetadata.Location) throws {
        guard count <= Self.maximumArrayCount else {
            throw PVITError(
                .ggufMetadata, "\(key) has \(count) elements; at most \(Self.maximumArrayCount) are read", file: path,
                bytes: UInt64(location.bytes.lowerBound)..<UInt64(location.bytes.upperBound))
        }
    }

    private func wrongType(_ key: String, _ location: GGUFMetadata.Location, _ expected: String) -> PVITError {
        PVITError(
            .ggufMetadata, "the value of \(key) is not \(expected)", file: path,
            bytes: UInt64(location.bytes.lowerBound)..<UInt64(location.bytes.upperBound))
    }

    private func located<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }
}
