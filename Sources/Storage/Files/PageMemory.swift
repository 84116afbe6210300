import Platform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Memory in whole pages, released with its owner. A page takes up memory once it is first written.
///
/// Callers ensure that no two threads use the same bytes at once.
package final class PageMemory: @unchecked Sendable {
    /// The size in bytes.
    package let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// Reserves memory.
    ///
    /// - Throws: `memory.exhausted` if the system has not enough.
    package init(byteCount: Int) throws {
        let size = max(byteCount, 1)
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw PVITError(
                .memoryExhausted, "\(ByteCount(byteCount)) of memory cannot be allocated",
                remedy: "close other programs, or set a lower limit with --memory")
        }
        self.byteCount = byteCount
        base = memory
        // Huge pages are looked up faster, and large ranges are used at a time.
        PageAdvice.hugePages.give(memory, byteCount: size)
    }

    deinit { munmap(base, max(byteCount, 1)) }

    /// The bytes of a range, for a caller that is the only one to use them.
    package func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        return UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    /// Lends the bytes of a range.
    package func withBytes<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (RawSpan) throws -> Result
    ) rethrows -> Result {
        try body(UnsafeRawBufferPointer(bytes(range)).bytes)
    }
}

extension PVITError.Code {
    /// The system has no more memory.
    public static let memoryExhausted = Self("memory.exhausted", .inputOutput)
}
