import SystemPackage
import Tensors

/// The bytes of a safetensors file with any header text, valid or not.
///
/// - Parameters:
///   - length: What the file says the header's length is; by default the truth.
public func safetensorsBytes(header: String, data: [UInt8], length: UInt64? = nil) -> [UInt8] {
    safetensorsBytes(header: Array(header.utf8), data: data, length: length)
}

/// The bytes of a safetensors file with any header bytes, valid or not.
public func safetensorsBytes(header: [UInt8], data: [UInt8], length: UInt64? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittleEndian(length ?? UInt64(header.count))
    return bytes + header + data
}

/// A source whose tensors lie in memory.
public struct ArraySource: TensorSource {
    /// All tensors, in the order given.
    public let tensors: [TensorDescription]
    private let contents: [TensorName: [UInt8]]

    /// Creates a source from names, types, shapes and packed bytes.
    public init(_ tensors: [(name: String, type: ElementType, shape: [Int], bytes: [UInt8])]) throws {
        self.tensors = try tensors.map { tensor in
            guard let shape = Shape(tensor.shape) else { throw PVITError(.tensorMismatch, "bad shape") }
            return try TensorDescription(name: TensorName(tensor.name), elementType: tensor.type, shape: shape)
        }
        contents = Dictionary(uniqueKeysWithValues: tensors.map { (TensorName($0.name), $0.bytes) })
    }

    /// Creates a source of f32 tensors.
    public init(floats tensors: [(name: String, shape: [Int], values: [Float])]) throws {
        try self.init(tensors.map { ($0.name, .f32, $0.shape, $0.values.flatMap(littleEndianBytes)) })
    }

    /// Copies rows from memory.
    public func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard let bytes = contents[tensor.name] else { throw PVITError(.tensorNotFound, "absent", tensor: tensor.name) }
        let start = rows.lowerBound * tensor.bytesPerRow
        for place in 0..<destination.byteCount {
            destination.storeBytes(of: bytes[start + place], toByteOffset: place, as: UInt8.self)
        }
    }
}

/// The four bytes of a number, least significant first.
public func littleEndianBytes(_ value: Float) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittleEndian(value.bitPattern)
    return bytes
}
