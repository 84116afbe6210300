import Storage
import Tensors

/// The type of the elements of a storage or tensor.
enum TorchElementType: Hashable {
    case known(ElementType)
    /// Bytes whose type the tensor gives (`torch.UntypedStorage`).
    case untyped
    /// An unsupported type, by its name in PyTorch. Its tensors can be skipped, but cannot be weights.
    case unsupported(String, byteCount: Int)

    /// The type of the elements of a storage class in module `torch`, such as `HalfStorage`, or nil for other names.
    init?(storageClass name: String) {
        switch name {
        case "DoubleStorage": self = .known(.f64)
        case "FloatStorage": self = .known(.f32)
        case "HalfStorage": self = .known(.f16)
        case "BFloat16Storage": self = .known(.bf16)
        case "LongStorage": self = .known(.i64)
        case "IntStorage": self = .known(.i32)
        case "ShortStorage": self = .known(.i16)
        case "CharStorage": self = .known(.i8)
        case "ByteStorage": self = .known(.u8)
        case "BoolStorage": self = .known(.bool)
        case "UntypedStorage", "_UntypedStorage", "TypedStorage", "_TypedStorage": self = .untyped
        case "ComplexFloatStorage": self.init(dtype: "complex64")
        case "ComplexDoubleStorage": self.init(dtype: "complex128")
        case "QInt8Storage": self.init(dtype: "qint8")
        case "QInt32Storage": self.init(dtype: "qint32")
        case "QUInt8Storage": self.init(dtype: "quint8")
        case "QUInt4x2Storage": self.init(dtype: "quint4x2")
        case "QUInt2x4Storage": self.init(dtype: "quint2x4")
        default: return nil
        }
    }

    /// The type called `name` in module `torch`, such as `float16`, or nil for other names.
    init?(dtype name: String) {
        switch name {
        case "float64", "double": self = .known(.f64)
        case "float32", "float": self = .known(.f32)
        case "float16", "half": self = .known(.f16)
        case "bfloat16": self = .known(.bf16)
        case "int64", "long": self = .known(.i64)
        case "int32", "int": self = .known(.i32)
        case "int16", "short": self = .known(.i16)
        case "int8": self = .known(.i8)
        case "uint8": self = .known(.u8)
        case "bool": self = .known(.bool)
        case "qint8", "quint8", "quint4x2", "quint2x4", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
            "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2":
            self = .unsupported(name, byteCount: 1)
        case "uint16": self = .unsupported(name, byteCount: 2)
        case "uint32", "qint32", "complex32", "chalf": self = .unsupported(name, byteCount: 4)
        case "uint64", "complex64", "cfloat": self = .unsupported(name, byteCount: 8)
        case "complex128", "cdouble": self = .unsupported(name, byteCount: 16)
        default: return nil
        }
    }

    /// The size of an element in bytes.
    var byteCount: Int {
        switch self {
        case .known(let type): type.byteCount
        case .untyped: 1
        case .unsupported(_, let byteCount): byteCount
        }
    }
}

/// A run of elements in a file that tensors are views of.
struct TorchStorage: Equatable {
    /// The name of the archive member with the bytes, or the key in the list of a file without archive.
    let key: String
    let type: TorchElementType
    /// The number of elements.
    let count: Int
    /// The elements that tensors can use: all, or in old files a range.
    let usable: Range<Int>
}

/// A tensor: a strided view of a storage.
struct TorchTensor {
    /// The index of the storage in `PickleHeap.storages`.
    let storage: Int
    let type: TorchElementType
    let shape: Shape
    /// The distance of neighbouring elements in each dimension, in bytes.
    let byteStrides: [Int]
    /// The bytes of the storage that the tensor spans, from its first element to its last.
    let bytes: Range<Int>

    /// The largest tensor, in bytes, that may have more elements than its storage. Views that repeat elements would
    /// otherwise let a small file request any amount of memory.
    static let maximumRepeatedByteCount = 64 << 20

    /// Checks a view of a storage.
    ///
    /// - Parameters:
    ///   - type: The type of the elements; the storage's, or that of the tensor where the storage has none.
    ///   - offset: The element of the storage that comes first.
    ///   - sizes: The extents.
    ///   - strides: The distance of neighbouring elements in each dimension, in elements.
    /// - Throws: `torch.tensor`.
    init(
        storage index: Int, of storage: TorchStorage, type: TorchElementType, offset: Int, sizes: [Int], strides: [Int]
    ) throws {
        func malformed(_ what: String) -> PVITError {
            PVITError(
                .torchTensor,
                "a tensor of sizes \(sizes.prefix(9)), strides \(strides.prefix(9)) and offset \(offset) \(what)")
        }
        guard sizes.count == strides.count, offset >= 0, strides.allSatisfy({ $0 >= 0 }) else {
            throw malformed("is not valid")
        }
        guard let shape = Shape(sizes) else { throw malformed("is too large or has too many dimensions") }
        let width = type.byteCount
        guard let byteCount = Self.product(shape.elementCount, width),
            Self.product(storage.count, storage.type.byteCount) != nil,
            let available = Self.product(storage.usable.count, storage.type.byteCount),
            let byteOffset = Self.product(offset, width)
        else { throw malformed("is too large") }
        var span = shape.elementCount == 0 ? 0 : width
        var byteStrides: [Int] = []
        for (size, stride) in zip(sizes, strides) {
            guard let byteStride = Self.product(stride, width) else { throw malformed("is too large") }
            byteStrides.append(byteStride)
            guard shape.elementCount > 0 else { continue }
            let (sum, overflow) = span.addingReportingOverflow(Self.product(size - 1, byteStride) ?? Int.max)
            guard !overflow else { throw malformed("is too large") }
            span = sum
        }
        guard byteOffset <= available, span <= available - byteOffset else {
            throw malformed("reaches past its storage of \(storage.usable.count) elements")
        }
        guard byteCount <= max(available, Self.maximumRepeatedByteCount) else {
            throw malformed("repeats the elements of its storage too often")
        }
        self.storage = index
        self.type = type
        self.shape = shape
        self.byteStrides = byteStrides
        // The sum cannot overflow: `usable` lies inside the storage, whose size in bytes was computed above.
        let start = storage.usable.lowerBound * storage.type.byteCount + byteOffset
        bytes = start..<start + span
    }

    private static func product(_ left: Int, _ right: Int) -> Int? {
        let (product, overflow) = left.multipliedReportingOverflow(by: right)
        return overflow ? nil : product
    }
}
