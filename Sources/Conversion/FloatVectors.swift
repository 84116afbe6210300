import CKernels
import Storage
import Tensors

/// Arithmetic on packed floating-point numbers: the boundary to the C kernels.
enum FloatVectors {
    private static let kernels: pvit_kernels? = pvit_kernels_best()?.pointee

    static func table() throws -> pvit_kernels {
        guard let kernels else { throw PVITError(.internalDefect, "there are no kernels for this processor") }
        return kernels
    }

    /// Converts packed f16, bf16 or f32 numbers to f32, exactly.
    ///
    /// - Parameters:
    ///   - source: `result.count` numbers of `type`.
    /// - Throws: `tensor.mismatch` for other types.
    static func widen(_ source: RawSpan, _ type: ElementType, into result: inout MutableSpan<Float>) throws {
        let kernels = try table()
        let count = result.count
        try check(source.byteCount == count * type.byteCount, "the number of bytes to widen")
        try source.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, count > 0 else { return }
            try result.withUnsafeMutableBufferPointer { result in
                switch type {
                case .f16: kernels.f16_to_f32(start.assumingMemoryBound(to: UInt16.self), result.baseAddress, count)
                case .bf16: kernels.bf16_to_f32(start.assumingMemoryBound(to: UInt16.self), result.baseAddress, count)
                case .f32: UnsafeMutableRawBufferPointer(result).copyMemory(from: bytes)
                case .f64, .i64, .i32, .i16, .i8, .u8, .bool: throw unsupported(type)
                }
            }
        }
    }

    /// Rows of a tensor of type f16, bf16 or f32.
    static func floats(
        of source: any TensorSource, _ tensor: TensorDescription, rows: Range<Int>
    ) throws -> [Float] {
        let bytes = try source.bytes(ofRows: rows, of: tensor)
        var result = [Float](repeating: 0, count: bytes.count / tensor.elementType.byteCount)
        var span = result.mutableSpan
        try widen(bytes.span.bytes, tensor.elementType, into: &span)
        return result
    }

    /// Converts f32 numbers to packed f16, bf16 or f32, rounding to nearest even. Numbers that are too large become
    /// infinite.
    ///
    /// - Parameters:
    ///   - result: `source.count` numbers of `type`.
    /// - Throws: `tensor.mismatch` for other types.
    static func narrow(_ source: Span<Float>, _ type: ElementType, into result: inout MutableRawSpan) throws {
        let kernels = try table()
        let count = source.count
        try check(result.byteCount == count * type.byteCount, "the number of bytes to narrow into")
        try source.withUnsafeBufferPointer { source in
            try result.withUnsafeMutableBytes { bytes in
                guard let start = bytes.baseAddress, count > 0 else { return }
                switch type {
                case .f16: kernels.f32_to_f16(source.baseAddress, start.assumingMemoryBound(to: UInt16.self), count)
                case .bf16: kernels.f32_to_bf16(source.baseAddress, start.assumingMemoryBound(to: UInt16.self), count)
                case .f32: bytes.copyMemory(from: UnsafeRawBufferPointer(source))
                case .f64, .i64, .i32, .i16, .i8, .u8, .bool: throw unsupported(type)
                }
            }
        }
    }

    /// An operation on two tensors.
    enum Operation: Sendable {
        /// a + b.
        case add
        /// a - b.
        case subtract
    }

    private typealias Combining =
        @convention(c) (
            UnsafePointer<UInt16>?, UnsafePointer<UInt16>?, UnsafeMutablePointer<UInt16>?, Int
        ) -> Bool

    /// result = round(a ± b), number by number, as PyTorch's `a += b` and `a -= b` on a CPU: computed in f32 and
    /// rounded once, to the type of `a`.
    ///
    /// - Returns: Whether all results are finite.
    /// - Throws: `tensor.mismatch` for types other than f16, bf16 and f32.
    static func combine(
        _ a: (numbers: RawSpan, type: ElementType), _ operation: Operation, _ b: (numbers: RawSpan, type: ElementType),
        into result: inout MutableRawSpan
    ) throws -> Bool {
        let kernels = try table()
        let count = a.numbers.byteCount / a.type.byteCount
        try check(b.numbers.byteCount == count * b.type.byteCount, "the number of bytes to combine")
        try check(result.byteCount == count * a.type.byteCount, "the number of bytes to combine into")
        guard count > 0 else { return true }
        let kernel: Combining? =
            switch (a.type, b.type, operation) {
            case (.f16, .f16, .add): kernels.add_f16
            case (.f16, .f16, .subtract): kernels.subtract_f16
            case (.bf16, .bf16, .add): kernels.add_bf16
            case (.bf16, .bf16, .subtract): kernels.subtract_bf16
            default: nil
            }
        guard let kernel else { return try combineWidened(a, operation, b, into: &result) }
        return a.numbers.withUnsafeBytes { a in
            b.numbers.withUnsafeBytes { b in
                result.withUnsafeMutableBytes { result in
                    guard let a = a.baseAddress?.assumingMemoryBound(to: UInt16.self),
                        let b = b.baseAddress?.assumingMemoryBound(to: UInt16.self),
                        let result = result.baseAddress?.assumingMemoryBound(to: UInt16.self)
                    else { return true }
                    return kernel(a, b, result, count)
                }
            }
        }
    }

    private static func combineWidened(
        _ a: (numbers: RawSpan, type: ElementType), _ operation: Operation, _ b: (numbers: RawSpan, type: ElementType),
        into result: inout MutableRawSpan
    ) throws -> Bool {
        let count = a.numbers.byteCount / a.type.byteCount
        var left = [Float](repeating: 0, count: count)
        var right = [Float](repeating: 0, count: count)
        var leftSpan = left.mutableSpan
        var rightSpan = right.mutableSpan
        try widen(a.numbers, a.type, into: &leftSpan)
        try widen(b.numbers, b.type, into: &rightSpan)
        switch operation {
        case .add: for index in 0..<count { leftSpan[index] += rightSpan[index] }
        case .subtract: for index in 0..<count { leftSpan[index] -= rightSpan[index] }
        }
        try narrow(leftSpan.span, a.type, into: &result)
        return firstNotFinite(result.bytes, a.type) == nil
    }

    /// The index of the first number that is infinite or not a number, or nil.
    static func firstNotFinite(_ numbers: RawSpan, _ type: ElementType) -> Int? {
        numbers.withUnsafeBytes { bytes in
            switch type {
            case .f16: firstMasked(bytes, UInt16(0x7C00))
            case .bf16: firstMasked(bytes, UInt16(0x7F80))
            case .f32: firstMasked(bytes, UInt32(0x7F80_0000))
            case .f64: firstMasked(bytes, UInt64(0x7FF0_0000_0000_0000))
            case .i64, .i32, .i16, .i8, .u8, .bool: nil
            }
        }
    }

    /// The first word that has all bits of `mask`, the bits of an exponent, set.
    private static func firstMasked<Word: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _ mask: Word
    ) -> Int? {
        let count = bytes.count / MemoryLayout<Word>.size
        guard let start = bytes.baseAddress?.assumingMemoryBound(to: Word.self) else { return nil }
        let words = UnsafeBufferPointer(start: start, count: count)
        // Chunks without an early exit, so that the compiler can vectorize the loop.
        var block = 0
        while block < count {
            let end = min(block + 4096, count)
            var found: Word = 0
            for index in block..<end { found |= words[index] & mask == mask ? 1 : 0 }
            if found != 0 { return (block..<end).first { words[$0] & mask == mask } }
            block = end
        }
        return nil
    }

    private static func unsupported(_ type: ElementType) -> PVITError {
        PVITError(.tensorMismatch, "arithmetic on elements of type \(type) is not supported")
    }

    static func check(_ condition: Bool, _ what: String) throws {
        guard condition else { throw PVITError(.internalDefect, "\(what) is wrong") }
    }
}
