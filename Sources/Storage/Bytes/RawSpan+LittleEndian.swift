extension RawSpan {
    /// The little-endian integer that starts at byte `offset`.
    ///
    /// - Throws: `file.truncated` if it does not lie inside the span.
    package func littleEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Value.Type = Value.self
    ) throws -> Value {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset <= byteCount, byteCount - offset >= size else {
            throw PVITError(
                .truncated, "\(size) bytes were expected at offset \(offset), but there are only \(byteCount) bytes"
            )
        }
        return Value(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// The bytes of `range` as an array.
    ///
    /// - Throws: `file.truncated` if the range does not lie inside the span.
    package func copyBytes(_ range: Range<Int>) throws -> [UInt8] {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw PVITError(.truncated, "bytes \(range) lie outside \(byteCount) bytes")
        }
        return extracting(range).withUnsafeBytes { Array($0) }
    }
}

extension Array<UInt8> {
    /// Appends an integer, least significant byte first.
    package mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
