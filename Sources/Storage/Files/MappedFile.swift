import CMappings
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file, mapped read-only for as long as the value lives.
///
/// Where the file system shares no mappings, as some do that are network drives or programs (FUSE with direct I/O), the
/// mapping is a private one; where it maps nothing at all, the file is read into memory, which takes as much as it has
/// bytes.
///
/// A file that is cut, or whose disk fails, while it is mapped is an error of whoever uses the bytes, not the end of
/// the process: see `withBytes`.
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
    /// Whether the bytes were read, and lie in memory that belongs to no file.
    let isCopy: Bool
    // The mapping is immutable and shared by all readers, hence @unchecked Sendable.
    private let base: UnsafeRawPointer?
    // What the handler of SIGBUS knows of the mapping; nil only where there are no bytes.
    private let watch: OpaquePointer?

    /// Maps the whole file.
    ///
    /// - Throws: `file.not-found`, `file.unreadable` when it is not a regular file or cannot be mapped, and
    ///   `file.read-failed` when it has to be read instead and that fails.
    public init(path: FilePath) throws { try self.init(path: path, map: Self.systemMapping) }

    /// Maps bytes of a file: a size, the flags and the descriptor of `mmap`; its result.
    typealias Mapping = @Sendable (Int, Int32, Int32) -> UnsafeMutableRawPointer?
    static let systemMapping: Mapping = { mmap(nil, $0, PROT_READ, $1, $2, 0) }

    /// - Parameter map: How the file is mapped.
    init(path: FilePath, map: Mapping) throws {
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
        var isCopy = false
        if size > 0 {
            mapping = Self.mapped(descriptor, size, map)
            if mapping == nil {
                mapping = try Self.copied(descriptor, size, path)
                isCopy = true
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
        self.isCopy = isCopy
        byteCount = size
        identity = FileIdentity(status)
        base = UnsafeRawPointer(mapping)
    }

    deinit {
        pvit_mapping_forget(watch)
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }
    }

    private static func mapped(
        _ descriptor: FileDescriptor, _ size: Int, _ map: Mapping
    ) -> UnsafeMutableRawPointer? {
        for flags in [MAP_SHARED, MAP_PRIVATE] {
            if let mapping = map(size, flags, descriptor.rawValue), mapping != MAP_FAILED { return mapping }
        }
        return nil
    }

    /// The bytes of a file that cannot be mapped, in memory of this process.
    private static func copied(
        _ descriptor: FileDescriptor, _ size: Int, _ path: FilePath
    ) throws -> UnsafeMutableRawPointer {
        // No MAP_NORESERVE: a file that is larger than the machine's memory is refused here, and not by the end of the
        // process.
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw PVITError(
                .fileUnreadable,
                "the file system maps no files, and there is no memory for the \(ByteCount(size)) of this one",
                file: path,
                remedy: "copy it to a local disk")
        }
        do {
            let bytes = UnsafeMutableRawBufferPointer(start: memory, count: size)
            var done = 0
            while done < size {
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
                let count = try descriptor.read(fromAbsoluteOffset: Int64(done), into: rest)
                guard count > 0 else {
                    throw PVITError(
                        .readFailed, "the file ended while it was being read", file: path,
                        bytes: UInt64(done)..<UInt64(size), remedy: "try again")
                }
                done += count
            }
        } catch {
            munmap(memory, size)
            guard let error = error as? Errno else { throw error }
            throw PVITError(.readFailed, "reading failed: \(error)", file: path)
        }
        return memory
    }

    /// Lends the bytes of `range` to `body`.
    ///
    /// Where the file does not deliver them any more, `body` sees zeros, and what it returns or throws is dropped.
    ///
    /// - Throws: `file.truncated` when the range is not inside the file, `file.read-failed` when bytes could not be
    ///   read, and whatever `body` throws.
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
    /// Pages past the new end are missed by themselves, in `withBytes`. The page that the new end lies in is not: its
    /// rest reads as zeros. Whoever has no checksum of the bytes asks here after the use. Costs a system call.
    ///
    /// - Throws: `file.read-failed`.
    public func checkLength(for range: Range<Int>) throws {
        guard !isCopy, let size = sizeNow, size < range.upperBound else { return }
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
        // Pages of no file cannot be read again when they were given back.
        guard let base, !isCopy else { return }
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
