import Compute
import CPVIT
import Storage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Numbers that the library made, densely packed and aligned to 64 bytes.
final class ArrayObject: HandleObject {
    static let kind = "array"
    /// `PVIT_FLOAT32` or `PVIT_INT32`.
    let type: Int32
    /// The extents, outermost first.
    let shape: [Int]
    /// The numbers. Empty arrays have memory, too.
    let start: UnsafeMutableRawPointer

    /// - Throws: `library.memory` if there is no memory for the numbers.
    init(type: Int32, shape: [Int]) throws {
        var byteCount = 4
        for extent in shape {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
            guard !overflow, extent >= 0 else { throw Self.tooLarge(shape) }
            byteCount = product
        }
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(byteCount, 64)) == 0, let memory else { throw Self.tooLarge(shape) }
        self.type = type
        self.shape = shape
        start = memory
    }

    deinit { free(start) }

    private static func tooLarge(_ shape: [Int]) -> PVITError {
        PVITError(
            .noMemory, "there is no memory for an array of \(shape.map(String.init).joined(separator: " × ")) numbers",
            remedy: "ask for less at a time")
    }

    /// `PVIT_INT32 [count]`.
    convenience init(_ tokens: some Collection<TokenID>) throws {
        try self.init(type: PVIT_INT32, shape: [tokens.count])
        for (index, token) in tokens.enumerated() {
            start.storeBytes(of: token.rawValue, toByteOffset: index * 4, as: Int32.self)
        }
    }

    /// `PVIT_FLOAT32 [rows, columns]`.
    convenience init(_ matrix: Matrix) throws {
        try self.init(type: PVIT_FLOAT32, shape: [matrix.rows, matrix.columns])
        for row in 0..<matrix.rows {
            matrix.withRow(row) { $0.withUnsafeBytes { fill($0, at: row * matrix.columns * 4) } }
        }
    }

    /// Copies bytes to an offset, as far as there is room.
    func fill(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let byteCount = shape.reduce(4, *)
        guard let source = bytes.baseAddress, offset >= 0, offset < byteCount else { return }
        start.advanced(by: offset).copyMemory(from: source, byteCount: min(bytes.count, byteCount - offset))
    }
}

/// `pvit_array_data`, which pvit.h describes.
@c @implementation
public func pvit_array_data(_ array: OpaquePointer?) -> UnsafeRawPointer? {
    HandleTable.current.find(array, ArrayObject.self).map { UnsafeRawPointer($0.start) }
}

/// `pvit_array_type`, which pvit.h describes.
@c @implementation
public func pvit_array_type(_ array: OpaquePointer?) -> Int32 {
    HandleTable.current.find(array, ArrayObject.self)?.type ?? 0
}

/// `pvit_array_rank`, which pvit.h describes.
@c @implementation
public func pvit_array_rank(_ array: OpaquePointer?) -> Int32 {
    Int32(clamping: HandleTable.current.find(array, ArrayObject.self)?.shape.count ?? 0)
}

/// `pvit_array_extent`, which pvit.h describes.
@c @implementation
public func pvit_array_extent(_ array: OpaquePointer?, _ axis: Int32) -> Int {
    guard let shape = HandleTable.current.find(array, ArrayObject.self)?.shape, shape.indices.contains(Int(axis))
    else { return 0 }
    return shape[Int(axis)]
}

/// `pvit_array_free`, which pvit.h describes.
@c @implementation
public func pvit_array_free(_ array: OpaquePointer?) { HandleTable.current.remove(array, ArrayObject.self) }
