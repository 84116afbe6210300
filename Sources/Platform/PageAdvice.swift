#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How a range of memory will be used.
package enum PageAdvice: Sendable {
    /// From front to back.
    case sequential
    /// In no particular order.
    case random
    /// Soon: a mapped file is read ahead.
    case willNeed
    /// Now: the pages are brought in at once, which costs less than one by one.
    case populate
    /// Not again: the pages may leave this process.
    case dontNeed
    /// In large parts: use huge pages.
    case hugePages
    /// In small parts: do not use huge pages.
    case smallPages

    /// The size of a page in bytes.
    package static var pageByteCount: Int { max(Int(sysconf(Int32(_SC_PAGESIZE))), 1) }

    // MADV_POPULATE_READ of Linux 5.14, which not every C library names. Older kernels refuse it, which does no harm.
    private static var populateForReading: Int32 { 22 }

    /// Gives the advice for `byteCount` bytes at `start`, which is the start of a page. Best effort.
    package func give(_ start: UnsafeMutableRawPointer, byteCount: Int) {
        let flag =
            switch self {
            case .sequential: Int32(MADV_SEQUENTIAL)
            case .random: Int32(MADV_RANDOM)
            case .willNeed: Int32(MADV_WILLNEED)
            case .populate: Self.populateForReading
            case .dontNeed: Int32(MADV_DONTNEED)
            case .hugePages: Int32(MADV_HUGEPAGE)
            case .smallPages: Int32(MADV_NOHUGEPAGE)
            }
        madvise(start, byteCount, flag)
    }
}
