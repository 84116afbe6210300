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
    public func integer(_ key: String) throws -> Int? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count == nil, let value = try values(place).first, case .integer(let number) = value else {
            throw wrongType(key, place, "a whole number")
        }
        return number
    }

    /// The number under a key, or nil when there is no such key. An f32 becomes the shortest decimal that denotes it,
    /// so that 1e-05 stays 1e-05.
    ///
    /// - Throws: `gguf.metadata` when the value is something else, infinite or not a number.
    public func number(_ key: String) throws -> Double? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count == nil, let number = try values(place).first?.double, number.isFinite else {
            throw wrongType(key, place, "a number")
        }
        return number
    }

    /// The boolean under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.value-type` when it is neither 0 nor 1.
    public func bool(_ key: String) throws -> Bool? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count == nil, let value = try values(place).first, case .bool(let flag) = value else {
            throw wrongType(key, place, "a boolean")
        }
        return flag
    }

    /// The text under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.text`.
    public func string(_ key: String) throws -> String? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count == nil, place.type == .string else { throw wrongType(key, place, "a text") }
        return try located {
            try file.withBytes(0..<place.bytes.upperBound) {
                try $0.text(place.bytes, atMost: Self.maximumTextByteCount, orThrow: .ggufText, "the value of \(key)")
            }
        }
    }

    /// The texts under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else; `gguf.text`.
    public func strings(_ key: String) throws -> [String]? {
        guard let place = header.metadata[key] else { return nil }
        guard let count = place.count, place.type == .string else { throw wrongType(key, place, "an array of texts") }
        try checkCount(count, key, place)
        return try located {
            try file.withBytes(0..<place.bytes.upperBound) { bytes in
                var cursor = GGUFCursor(offset: place.bytes.lowerBound)
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
    public func integers(_ key: String) throws -> [Int]? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count != nil, place.type != .string else { throw wrongType(key, place, "an array of numbers") }
        return try values(place, key).map { value in
            guard case .integer(let number) = value else { throw wrongType(key, place, "an array of whole numbers") }
            return number
        }
    }

    /// The numbers under a key, or nil when there is no such key.
    ///
    /// - Throws: `gguf.metadata` when the value is something else.
    public func numbers(_ key: String) throws -> [Double]? {
        guard let place = header.metadata[key] else { return nil }
        guard place.count != nil, place.type != .string else { throw wrongType(key, place, "an array of numbers") }
        return try values(place, key).map { value in
            guard let number = value.double else { throw wrongType(key, place, "an array of numbers") }
            return number
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

    private func values(_ place: GGUFMetadata.Place, _ key: String = "") throws -> [Value] {
        guard let size = place.type.byteCount else { return [.other] }
        let count = place.count ?? 1
        try checkCount(count, key, place)
        return try located {
            try file.withBytes(place.bytes) { bytes in
                try (0..<count).map { try Self.value(bytes, place.type, at: $0 * size, from: place.bytes.lowerBound) }
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

    private func checkCount(_ count: Int, _ key: String, _ place: GGUFMetadata.Place) throws {
        guard count <= Self.maximumArrayCount else {
            throw PVITError(
                .ggufMetadata, "\(key) has \(count) elements; at most \(Self.maximumArrayCount) are read", file: path,
                bytes: UInt64(place.bytes.lowerBound)..<UInt64(place.bytes.upperBound))
        }
    }

    private func wrongType(_ key: String, _ place: GGUFMetadata.Place, _ expected: String) -> PVITError {
        PVITError(
            .ggufMetadata, "the value of \(key) is not \(expected)", file: path,
            bytes: UInt64(place.bytes.lowerBound)..<UInt64(place.bytes.upperBound))
    }

    private func located<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }
}
