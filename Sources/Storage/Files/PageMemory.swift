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
    /// Huge pages begin at multiples of this many bytes.
    private static let hugePageByteCount = 2 << 20

    /// Reserves memory.
    ///
    /// - Throws: `memory.exhausted` if the system has not enough.
    package init(byteCount: Int) throws {
        let size = Self.mappedByteCount(byteCount)
        let margin = size < Self.hugePageByteCount ? 0 : Self.hugePageByteCount
        let memory = mmap(
            nil, size + margin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw PVITError(
                .memoryExhausted, "\(ByteCount(byteCount)) of memory cannot be allocated",
                remedy: "close other programs, or set a lower limit with --memory")
        }
        self.byteCount = byteCount
        // Huge pages are looked up faster, and a disk that reads to them is up to three times as fast, because
        // there are fewer addresses to give to it. They have to be aligned.
        var start = memory
        if margin > 0 {
            let before = (margin - Int(bitPattern: memory) % margin) % margin
            start += before
            if before > 0 { munmap(memory, before) }
            munmap(start + size, margin - before)
        }
        base = start
        PageAdvice.hugePages.give(base, byteCount: size)
    }

    /// Reserves memory of whole huge pages.
    ///
    /// - Parameter byteCount: What is needed at least.
    /// - Throws: `memory.exhausted` if the system has not enough.
    package convenience init(hugePagesFor byteCount: Int) throws {
        let page = Self.hugePageByteCount
        try self.init(byteCount: (byteCount + page - 1) / page * page)
    }

    deinit { munmap(base, Self.mappedByteCount(byteCount)) }

    /// `byteCount` in whole pages.
    private static func mappedByteCount(_ byteCount: Int) -> Int {
        let page = PageAdvice.pageByteCount
        return (max(byteCount, 1) + page - 1) / page * page
    }

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
