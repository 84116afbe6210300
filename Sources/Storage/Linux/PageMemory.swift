#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Memory of this process in whole pages, which is given back with the owner. Pages use memory from their first touch
/// on.
///
/// The owner's users see to it that no two threads use the same bytes.
public final class PageMemory: @unchecked Sendable {
    /// The size in bytes.
    public let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// Reserves memory.
    ///
    /// - Throws: `memory.exhausted` when the system gives none.
    public init(byteCount: Int) throws {
        let size = max(byteCount, 1)
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw PVITError(
                .memoryExhausted, "the system has no \(ByteCount(byteCount)) of memory to give",
                remedy: "end other programs, or ask for less with --memory")
        }
        self.byteCount = byteCount
        base = memory
        // Fewer, larger pages are found faster. Whole parts of it are used at a time.
        madvise(memory, size, MADV_HUGEPAGE)
    }

    deinit { munmap(base, max(byteCount, 1)) }

    /// The bytes of a range, for writing by its only user.
    public func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        return UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    /// Lends the bytes of a range.
    public func withBytes<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (RawSpan) throws -> Result
    ) rethrows -> Result {
        try body(UnsafeRawBufferPointer(bytes(range)).bytes)
    }
}

extension PVITError.Code {
    /// The system has no more memory.
    public static let memoryExhausted = Self("memory.exhausted", .inputOutput)
}
