import Storage

/// Writes the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding).
package struct ProtobufWriter {
    package private(set) var output: [UInt8] = []

    package init() {}

    package mutating func integer(_ field: Int, _ value: Int) {
        varint(UInt64(field) << 3)
        varint(UInt64(bitPattern: Int64(value)))
    }

    package mutating func fixed32(_ field: Int, _ bits: UInt32) {
        varint(UInt64(field) << 3 | 5)
        output.appendLittleEndian(bits)
    }

    package mutating func bytes(_ field: Int, _ content: some Collection<UInt8>) {
        varint(UInt64(field) << 3 | 2)
        varint(UInt64(content.count))
        output += content
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        output.append(UInt8(value))
    }
}
