import Storage
import Tensors

/// A source whose tensors lie in memory.
public struct ArraySource: TensorSource {
    /// All tensors, in the order given.
    package let tensors: [TensorDescription]
    private let contents: [TensorName: [UInt8]]

    /// Creates a source from names, types, shapes and packed bytes.
    package init(_ tensors: [(name: String, type: ElementType, shape: [Int], bytes: [UInt8])]) throws {
        self.tensors = try tensors.map { tensor in
            guard let shape = Shape(tensor.shape) else { throw PVITError(.tensorMismatch, "bad shape") }
            return try TensorDescription(name: TensorName(tensor.name), elementType: tensor.type, shape: shape)
        }
        contents = Dictionary(uniqueKeysWithValues: tensors.map { (TensorName($0.name), $0.bytes) })
    }

    /// Creates a source of f32 tensors.
    public init(floats tensors: [(name: String, shape: [Int], values: [Float])]) throws {
        try self.init(tensors.map { ($0.name, .f32, $0.shape, packed($0.values, .f32)) })
    }

    /// Copies rows from memory.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard let bytes = contents[tensor.name] else { throw PVITError(.tensorNotFound, "absent", tensor: tensor.name) }
        let start = rows.lowerBound * tensor.bytesPerRow
        let range = start..<start + destination.byteCount
        destination.withUnsafeMutableBytes { $0.copyBytes(from: bytes[range]) }
    }
}

/// The four bytes of a number, least significant first.
public func littleEndianBytes(_ value: Float) -> [UInt8] { packed([value], .f32) }

/// A source that gives other bytes, or fails, for some tensors of another one.
public struct AlteredSource: TensorSource {
    /// The tensors, some of them perhaps changed.
    package var tensors: [TensorDescription]
    private let original: any TensorSource
    private let alter: @Sendable (TensorName, inout [UInt8]) throws -> Void

    /// Creates a source that reads `original` and passes the bytes of each read to `alter`.
    package init(
        _ original: any TensorSource,
        alter: @escaping @Sendable (TensorName, inout [UInt8]) throws -> Void = { _, _ in }
    ) {
        self.original = original
        self.alter = alter
        tensors = original.tensors
    }

    /// Reads and alters.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        var bytes = try original.bytes(ofRows: rows, of: tensor)
        try alter(tensor.name, &bytes)
        destination.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
    }
}
