#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Compares tensors without holding them in memory.
package enum TensorComparison {
    /// How many bytes of each tensor are compared at a time.
    private static let chunkByteCount = 4 << 20

    /// Whether two tensors have the same type, shape and bytes. Stops reading at the first difference.
    ///
    /// - Throws: What reading throws.
    package static func areEqual(
        _ first: TensorDescription, in firstSource: any TensorSource, _ second: TensorDescription,
        in secondSource: any TensorSource
    ) throws -> Bool {
        guard first.elementType == second.elementType, first.shape == second.shape else { return false }
        let step = max(1, chunkByteCount / max(first.bytesPerRow, 1))
        var scratch: (first: [UInt8], second: [UInt8]) = ([], [])
        for start in stride(from: 0, to: first.shape.rows, by: step) where first.bytesPerRow > 0 {
            let rows = start..<min(start + step, first.shape.rows)
            let isEqual = try firstSource.withRows(rows, of: first, scratch: &scratch.first) { left in
                try secondSource.withRows(rows, of: second, scratch: &scratch.second) { right in
                    left.withUnsafeBytes { left in right.withUnsafeBytes { areEqual(left, $0) } }
                }
            }
            guard isEqual else { return false }
        }
        return true
    }

    private static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return true }
        return memcmp(leftStart, rightStart, left.count) == 0
    }
}
