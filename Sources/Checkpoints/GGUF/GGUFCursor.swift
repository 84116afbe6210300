import Storage

/// Reads values one after another from the bytes of a GGUF header.
struct GGUFCursor {
    /// The offset of the next byte.
    private(set) var offset: Int

    /// The next integer.
    ///
    /// - Throws: `gguf.truncated` naming what was expected.
    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, _ what: String, as type: Value.Type = Value.self
    ) throws -> Value {
        let size = MemoryLayout<Value>.size
        guard bytes.byteCount - offset >= size else { throw truncated(bytes, what) }
        defer { offset += size }
        return try bytes.littleEndian(at: offset)
    }

    /// The bytes of the next string: a 64-bit length and that many bytes.
    ///
    /// - Throws: `gguf.truncated` when the length is more than the file has.
    mutating func string(_ bytes: RawSpan, _ what: String) throws -> Range<Int> {
        let start = offset
        let length: UInt64 = try integer(bytes, what)
        guard length <= UInt64(bytes.byteCount - offset) else {
            throw PVITError(
                .ggufTruncated, "\(what) should be \(length) bytes long, but \(bytes.byteCount - offset) are left",
                bytes: UInt64(start)..<UInt64(start + 8))
        }
        return try skip(bytes, Int(length), what)
    }

    /// The next `count` bytes.
    ///
    /// - Throws: `gguf.truncated`.
    @discardableResult
    mutating func skip(_ bytes: RawSpan, _ count: Int, _ what: String) throws -> Range<Int> {
        guard count <= bytes.byteCount - offset else { throw truncated(bytes, what) }
        defer { offset += count }
        return offset..<offset + count
    }

    private func truncated(_ bytes: RawSpan, _ what: String) -> PVITError {
        PVITError(
            .ggufTruncated, "the file ends inside \(what)", bytes: UInt64(offset)..<UInt64(bytes.byteCount),
            remedy: "download or copy the file again")
    }
}

extension RawSpan {
    /// The UTF-8 text in a range.
    ///
    /// - Throws: An error of code `code` when it is longer than `limit` bytes or not UTF-8.
    func text(_ range: Range<Int>, atMost limit: Int, orThrow code: PVITError.Code, _ what: String) throws -> String {
        func failure(_ problem: String) -> PVITError {
            PVITError(code, "\(what) \(problem)", bytes: UInt64(range.lowerBound)..<UInt64(range.upperBound))
        }
        guard range.count <= limit else {
            throw failure("is \(range.count) bytes long; at most \(limit) are read")
        }
        guard let text = String(validating: try copyBytes(range), as: UTF8.self) else { throw failure("is not UTF-8") }
        return text
    }
}
