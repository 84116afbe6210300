import CMappings
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file, mapped read-only for as long as the value lives.
///
/// A file that is cut, or whose disk fails, while it is mapped is an error of whoever uses the bytes, not the end of the
/// process: see `withBytes`.
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
    /// Which file it is, whatever its name.
    let identity: FileIdentity
    // MADV_POPULATE_READ of Linux 5.14, which not every C library names; older kernels refuse it, which does no harm.
    private static var populateForReading: Int32 { 22 }
    // The mapping is immutable and shared by all readers, hence @unchecked Sendable.
    private let base: UnsafeRawPointer?
    // What the handler of SIGBUS knows of the mapping; nil only where there are no bytes.
    private let watch: OpaquePointer?

    /// Maps the whole file.
    ///
    /// - Throws: `file.not-found`, or `file.unreadable` when it is not a regular file or cannot be mapped.
    public init(path: FilePath) throws {
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
        } catch let error as Errno {
            if error == .noSuchFileOrDirectory || error == .notDirectory {
                throw PVITError.absent(path)
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
        var watch: OpaquePointer?
        if let mapping {
            watch = pvit_mapping_watch(mapping, size)
            guard watch != nil else {
                munmap(mapping, size)
                throw PVITError(.fileUnreadable, "there is no memory to map the file with", file: path)
            }
        }
        self.path = path
        self.watch = watch
        byteCount = size
        identity = FileIdentity(status)
        base = UnsafeRawPointer(mapping)
    }

    deinit {
        pvit_mapping_forget(watch)
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }
    }

    /// Lends the bytes of `range` to `body`.
    ///
    /// Where the file does not deliver them any more, `body` sees zeros, and what it returns or throws is dropped.
    ///
    /// - Throws: `file.truncated` when the range is not inside the file, `file.read-failed` when bytes could not be read,
    ///   and whatever `body` throws.
    public func withBytes<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw PVITError(
                .truncated, "bytes \(range) lie outside a file of \(byteCount) bytes", file: path,
                remedy: "copy or download the file again")
        }
        let bytes = UnsafeRawBufferPointer(start: base.map { $0 + range.lowerBound }, count: range.count)
        do {
            let result = try body(bytes.bytes)
            try checkDelivery(of: range)
            return result
        } catch {
            // An error that `body` found in the zeros is none of the file's content.
            try checkDelivery(of: range)
            throw error
        }
    }

    /// Throws when the file has become shorter than it was when it was opened.
    ///
    /// Pages past the new end are missed by themselves, in `withBytes`. The page that the new end lies in is not: its rest
    /// reads as zeros. Whoever has no checksum of the bytes asks here after the use. Costs a system call.
    ///
    /// - Throws: `file.read-failed`.
    public func checkLength(for range: Range<Int>) throws {
        guard let size = sizeNow, size < range.upperBound else { return }
        throw readFailure(max(size, range.lowerBound)..<range.upperBound)
    }

    @inline(__always)
    private func checkDelivery(of range: Range<Int>) throws {
        guard let watch else { return }
        let failure = pvit_mapping_failure(watch)
        if failure < range.upperBound {
            throw readFailure(max(failure, range.lowerBound)..<range.upperBound)
        }
    }

    /// The file's size at this moment; nil when there is another file, or none, in its place.
    private var sizeNow: Int? {
        var status = stat()
        let isThere = path.withPlatformString { stat($0, &status) } == 0
        return isThere && FileIdentity(status) == identity ? Int(status.st_size) : nil
    }

    private func readFailure(_ range: Range<Int>) -> PVITError {
        var what = "the file could not be read any more"
        var remedy = "check the disk, or copy the file from where it came"
        if let size = sizeNow, size < byteCount {
            what = "the file was cut from \(byteCount) to \(size) bytes while it was in use"
            remedy = "copy or download it again, and do not write to it while it is used"
        }
        return PVITError(
            .readFailed, what, file: path, bytes: UInt64(range.lowerBound)..<UInt64(range.upperBound), remedy: remedy)
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
