import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file, mapped read-only for as long as the value lives.
public struct MappedFile: ~Copyable, @unchecked Sendable {
    /// What the caller is about to do with a part of the file.
    public enum Advice: Sendable {
        /// Read it from front to back.
        case sequential
        /// Read it here and there.
        case random
        /// Read it soon.
        case willNeed
        /// Read all of it now: its pages are brought into this process at once, which costs less than one by one.
        case all
        /// Not read it again: its pages may leave this process (not necessarily the page cache).
        case dontNeed
    }

    /// Where the file was when it was opened.
    public let path: FilePath
    /// The size of the file in bytes.
    public let byteCount: Int
    // MADV_POPULATE_READ of Linux 5.14, which not every C library names; older kernels refuse it, which does no harm.
    private static var populateForReading: Int32 { 22 }
    // The mapping is immutable and shared by all readers, hence @unchecked Sendable.
    private let base: UnsafeRawPointer?

    /// Maps the whole file.
    ///
    /// - Throws: `file.not-found`, or `file.unreadable` when it is not a regular file or cannot be mapped.
    public init(path: FilePath) throws {
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
        } catch let error as Errno {
            if error == .noSuchFileOrDirectory || error == .notDirectory {
                throw PVITError(.fileNotFound, "there is no such file", file: path)
            }
            throw PVITError(.fileUnreadable, "the file cannot be opened: \(error)", file: path)
        }
        defer { try? descriptor.close() }
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else {
            throw PVITError(.fileUnreadable, "the file cannot be examined: \(Errno(rawValue: errno))", file: path)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PVITError(.fileUnreadable, "this is not a regular file", file: path)
        }
        let size = Int(status.st_size)
        var mapping: UnsafeMutableRawPointer?
        if size > 0 {
            mapping = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor.rawValue, 0)
            guard mapping != MAP_FAILED else {
                throw PVITError(.fileUnreadable, "the file cannot be mapped: \(Errno(rawValue: errno))", file: path)
            }
        }
        self.path = path
        byteCount = size
        base = UnsafeRawPointer(mapping)
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }
    }

    /// Lends the bytes of `range` to `body`.
    ///
    /// - Throws: `file.truncated` when the range is not inside the file, and whatever `body` throws.
    public func withBytes<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw PVITError(
                .truncated, "bytes \(range) lie outside a file of \(byteCount) bytes", file: path,
                remedy: "copy or download the file again")
        }
        let bytes = UnsafeRawBufferPointer(start: base.map { $0 + range.lowerBound }, count: range.count)
        return try body(bytes.bytes)
    }

    /// Tells the operating system how a part of the file will be used. A part outside the file is left alone.
    public func advise(_ advice: Advice, _ range: Range<Int>) {
        guard let base else { return }
        let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = range.clamped(to: 0..<byteCount).lowerBound / pageSize * pageSize
        let length = range.clamped(to: 0..<byteCount).upperBound - start
        guard length > 0 else { return }
        let flag =
            switch advice {
            case .sequential: MADV_SEQUENTIAL
            case .random: MADV_RANDOM
            case .willNeed: MADV_WILLNEED
            case .all: Self.populateForReading
            case .dontNeed: MADV_DONTNEED
            }
        madvise(UnsafeMutableRawPointer(mutating: base + start), length, Int32(flag))
    }
}
