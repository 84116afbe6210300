import Storage

/// Reads the wire format of Protocol Buffers: a sequence of fields, each with a number, a type and a content
/// (https://protobuf.dev/programming-guides/encoding).
package struct ProtobufReader {
    /// The content of a field.
    package enum Content: Equatable {
        /// A varint, as unsigned 64 bits.
        case integer(UInt64)
        /// Eight bytes.
        case fixed64(UInt64)
        /// A string, bytes or a message: a range of `bytes`.
        case bytes(Range<Int>)
        /// Four bytes.
        case fixed32(UInt32)
    }

    package let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// Reads a whole message.
    package init(_ bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

    /// Reads the message in a range of `bytes`.
    package init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or nil at the end of the message.
    ///
    /// - Throws: `tokenizer.invalid` if the message is truncated or malformed, or has groups, which tokenizer files do
    ///   not use.
    package mutating func next() throws -> (field: UInt64, content: Content)? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint(from: start)
        let field = tag >> 3
        guard field > 0, field < 1 << 29 else { throw failure("a field has the number \(field)", from: start) }
        switch tag & 7 {
        case 0: return (field, .integer(try varint(from: start)))
        case 1: return (field, .fixed64(try fixed(8, from: start)))
        case 2:
            let length = try varint(from: start)
            guard length <= UInt64(end - position) else {
                throw failure(
                    "field \(field) is \(length) bytes long, but only \(end - position) are left", from: start)
            }
            let range = position..<position + Int(length)
            position = range.upperBound
            return (field, .bytes(range))
        case 5: return (field, .fixed32(UInt32(truncatingIfNeeded: try fixed(4, from: start))))
        default: throw failure("field \(field) has the wire type \(tag & 7)", from: start)
        }
    }

    private mutating func varint(from start: Int) throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < end else { throw failure("a number is truncated", from: start) }
            let byte = bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw failure("a number does not fit 64 bits", from: start)
    }

    private mutating func fixed(_ count: Int, from start: Int) throws -> UInt64 {
        guard end - position >= count else { throw failure("a number is truncated", from: start) }
        var value: UInt64 = 0
        for offset in 0..<count { value |= UInt64(bytes[position + offset]) << UInt64(8 * offset) }
        position += count
        return value
    }

    private func failure(_ what: String, from start: Int) -> PVITError {
        PVITError(
            .badTokenizer, "tokenizer.model is not a valid Protocol Buffers message: \(what)",
            bytes: UInt64(start)..<UInt64(max(position, start + 1)))
    }
}
