import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Advice on what the page cache keeps of an open file. Best effort: ignoring it only costs time.
package enum PageCache {
    /// Starts reading a range ahead.
    package static func prefetch(_ range: Range<Int>, of file: FileDescriptor) {
        posix_fadvise(file.rawValue, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
    }

    /// Drops a range that was read.
    package static func drop(_ range: Range<Int>, of file: FileDescriptor) {
        posix_fadvise(file.rawValue, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    }

    /// Starts writing the changed pages of a range to the disk and returns. Pages still being written stay in memory.
    package static func startWriting(_ range: Range<UInt64>, of file: FileDescriptor) {
        posix_fadvise(file.rawValue, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    }
}
