import Storage
import SystemPackage
import Tensors

/// A metadata value of a GGUF file that is written.
package enum GGUFValue: Sendable, Equatable {
    case u16(UInt16)
    case u32(UInt32)
    case i32(Int32)
    case f32(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case i32s([Int32])
    case f32s([Float])

    /// Appends type and value.
    func append(to output: inout [UInt8]) {
        func type(_ type: GGUFValueType) { output.appendLittleEndian(type.rawValue) }
        func array(_ element: GGUFValueType, _ count: Int) {
            type(.array)
            type(element)
            output.appendLittleEndian(UInt64(count))
        }
        switch self {
        case .u16(let value):
            type(.u16)
            output.appendLittleEndian(value)
        case .u32(let value):
            type(.u32)
            output.appendLittleEndian(value)
        case .i32(let value):
            type(.i32)
            output.appendLittleEndian(value)
        case .f32(let value):
            type(.f32)
            output.appendLittleEndian(value.bitPattern)
        case .bool(let value):
            type(.bool)
            output.append(value ? 1 : 0)
        case .string(let value):
            type(.string)
            output.appendGGUFString(value)
        case .strings(let values):
            array(.string, values.count)
            for value in values { output.appendGGUFString(value) }
        case .i32s(let values):
            array(.i32, values.count)
            for value in values { output.appendLittleEndian(value) }
        case .f32s(let values):
            array(.f32, values.count)
            for value in values { output.appendLittleEndian(value.bitPattern) }
        }
    }
}

extension [UInt8] {
    /// Appends a length of 64 bits and the UTF-8 of a text.
    fileprivate mutating func appendGGUFString(_ text: String) {
        appendLittleEndian(UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}

/// Writes a GGUF file, version 3, sequentially. The same content always gives the same bytes.
package struct GGUFWriter: ~Copyable {
    /// A tensor to be written.
    package struct Tensor: Sendable {
        /// The name in the file.
        package let name: TensorName
        package let type: GGUFType
        /// Outermost extent first.
        package let shape: Shape

        /// The size in the file in bytes.
        var byteCount: Int { shape.elementCount / type.elementsPerBlock * type.bytesPerBlock }
    }

    /// Tensors begin at multiples of this, the format's default.
    static let alignment = 32
    private var output: OutputFile
    private let tensors: [Tensor]
    private var started = 0
    private var rest = 0

    /// Starts a file.
    ///
    /// - Throws: `file.cannot-create`, `file.write-failed`.
    package init(path: FilePath, metadata: [(key: String, value: GGUFValue)], tensors: [Tensor]) throws {
        var output = try OutputFile(path: path)
        var header = Array("GGUF".utf8)
        header.appendLittleEndian(UInt32(3))
        header.appendLittleEndian(UInt64(tensors.count))
        header.appendLittleEndian(UInt64(metadata.count))
        for (key, value) in metadata {
            header.appendGGUFString(key)
            value.append(to: &header)
        }
        var offset = 0
        for tensor in tensors {
            header.appendGGUFString(tensor.name.rawValue)
            header.appendLittleEndian(UInt32(tensor.shape.rank))
            for extent in tensor.shape.dimensions.reversed() { header.appendLittleEndian(UInt64(extent)) }
            header.appendLittleEndian(tensor.type.rawValue)
            header.appendLittleEndian(UInt64(offset))
            offset += Self.padded(tensor.byteCount)
        }
        header += repeatElement(0, count: Self.padded(header.count) - header.count)
        try output.append(header)
        self.output = output
        self.tensors = tensors
    }

    /// The size of the data of some tensors in bytes.
    package static func dataByteCount(_ tensors: [Tensor]) -> Int { tensors.reduce(0) { $0 + padded($1.byteCount) } }

    private static func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

    /// Appends the next bytes of the data, which are all of one tensor.
    ///
    /// - Throws: `file.write-failed`; `internal.defect` for more bytes than the tensor has.
    package mutating func append(_ bytes: [UInt8]) throws {
        while rest == 0, started < tensors.count {
            rest = tensors[started].byteCount
            started += 1
        }
        guard bytes.count <= rest else {
            throw PVITError(.internalDefect, "\(bytes.count) bytes were written instead of \(rest)")
        }
        try output.append(bytes)
        rest -= bytes.count
        if rest == 0 {
            let count = tensors[started - 1].byteCount
            try output.append([UInt8](repeating: 0, count: Self.padded(count) - count))
        }
    }

    /// Ends the file and gives it its name.
    ///
    /// - Returns: The size of the file in bytes.
    /// - Throws: `internal.defect` when bytes are missing; `file.write-failed`, `file.cannot-create`.
    package consuming func finish() throws -> UInt64 {
        guard rest == 0, tensors[started...].allSatisfy({ $0.byteCount == 0 }) else {
            throw PVITError(.internalDefect, "a GGUF file ends before all its tensors were written")
        }
        let byteCount = output.byteCount
        try output.commit()
        return byteCount
    }
}
