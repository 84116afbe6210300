import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file, mapped read-only for as long as the value lives.
///
/// Some file systems (network drives, FUSE with direct I/O) have no shared mappings: there the mapping is private. If a
/// file cannot be mapped at all, it is read into memory.
///
/// If the file is truncated or its disk fails while it is mapped, the caller gets an error instead of SIGBUS: see
/// `withBytes`.
package struct MappedFile: ~Copyable, Sendable {
    /// How the caller will use a range of the file.
    package enum Advice: Sendable {
        /// Reads it from front to back.
        case sequential
        /// Reads it in no particular order.
        case random
        /// Reads it soon.
        case willNeed
        /// Reads all of it now: its pages are brought into this process at once, which costs less than one by one.
        case all
        /// Does not read it again: its pages may leave this process (not necessarily the page cache).
        case dontNeed
    }

    /// The path that the file was opened with.
    package let path: FilePath
    /// The size of the file in bytes.
    package let byteCount: Int
    /// Which file it is, whatever its name.
    let identity: FileIdentity
    /// Whether the bytes were copied to memory, because the file cannot be mapped.
    let isCopy: Bool
    /// nil for an empty file.
    private let mapping: WatchedMapping?

    /// Maps the whole file.
    ///
    /// - Throws: `file.not-found`; `file.unreadable` if it is not a regular file or there is no memory for it;
    ///   `file.read-failed` if it cannot be mapped and reading it fails.
    package init(path: FilePath) throws { try self.init(path: path, map: Self.systemMapping) }

    /// Maps a file, given its size and the flags and descriptor of `mmap`. A parameter so that tests can refuse.
    typealias Mapping = @Sendable (Int, Int32, Int32) -> UnsafeMutableRawPointer?
    static let systemMapping: Mapping = { mmap(nil, $0, PROT_READ, $1, $2, 0) }

    init(path: FilePath, map: Mapping) throws {
        let descriptor: FileDescriptor
        do {
            // Opening a pipe without a writer would otherwise wait for one.
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
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
        var mapping: WatchedMapping?
        var isCopy = false
        if size > 0 {
            let mapped = Self.mapped(descriptor, size, map)
            isCopy = mapped == nil
            let memory = try mapped ?? Self.copied(descriptor, size, path)
            mapping = WatchedMapping(adopting: UnsafeRawBufferPointer(start: memory, count: size))
            guard mapping != nil else {
                munmap(memory, size)
                throw PVITError(.fileUnreadable, "there is not enough memory to map the file", file: path)
            }
        }
        self.path = path
        self.mapping = mapping
        self.isCopy = isCopy
        byteCount = size
        identity = FileIdentity(status)
    }

    private static func mapped(
        _ descriptor: FileDescriptor, _ size: Int, _ map: Mapping
    ) -> UnsafeMutableRawPointer? {
        for flags in [MAP_SHARED, MAP_PRIVATE] {
            if let mapping = map(size, flags, descriptor.rawValue), mapping != MAP_FAILED { return mapping }
        }
        return nil
    }

    /// Reads a file that cannot be mapped into memory.
    private static func copied(
        _ descriptor: FileDescriptor, _ size: Int, _ path: FilePath
    ) throws -> UnsafeMutableRawPointer {
        // Without MAP_NORESERVE: a file that is larger than the machine's memory is refused here, instead of ending the
        // process later.
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            throw PVITError(
                .fileUnreadable,
                "the file system cannot map files, and \(ByteCount(size)) of memory for a copy cannot be allocated",
                file: path, remedy: "copy the file to a local disk")
        }
        do {
            let bytes = UnsafeMutableRawBufferPointer(start: memory, count: size)
            var done = 0
            while done < size {
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
                let count = try descriptor.read(fromAbsoluteOffset: Int64(done), into: rest)
                guard count > 0 else {
                    throw PVITError(
                        .readFailed, "the file was truncated while it was read", file: path,
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
    /// If the file no longer delivers a byte of `range`, `body` sees zeros, and its result or error is replaced by
    /// `file.read-failed`.
    ///
    /// - Throws: `file.truncated` if the range is not inside the file, `file.read-failed`, and what `body` throws.
    package func withBytes<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw PVITError(
                .truncated, "bytes \(range) lie outside a file of \(byteCount) bytes", file: path,
                remedy: "copy or download the file again")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: (mapping?.bytes ?? .init(start: nil, count: 0))[range])
        do {
            let result = try body(bytes.bytes)
            try checkDelivery(of: range)
            return result
        } catch {
            // `body` may have stumbled over the zeros.
            try checkDelivery(of: range)
            throw error
        }
    }

    /// Throws if the file has become shorter than it was when it was opened, and `range` is affected.
    ///
    /// `withBytes` notices missing pages. It does not notice a missing end of a page, which reads as zeros: without a
    /// checksum of the bytes, call this after using them. Costs a system call.
    ///
    /// - Throws: `file.read-failed`.
    package func checkLength(for range: Range<Int>) throws {
        guard !isCopy, let size = sizeNow, size < range.upperBound else { return }
        throw readFailure(max(size, range.lowerBound)..<range.upperBound)
    }

    @inline(__always)
    private func checkDelivery(of range: Range<Int>) throws {
        guard let failure = mapping?.failure else { return }
        if failure < range.upperBound {
            throw readFailure(max(failure, range.lowerBound)..<range.upperBound)
        }
    }

    /// The current size of the file; nil if it was deleted or replaced.
    private var sizeNow: Int? {
        var status = stat()
        let isThere = path.withPlatformString { stat($0, &status) } == 0
        return isThere && FileIdentity(status) == identity ? Int(status.st_size) : nil
    }

    private func readFailure(_ range: Range<Int>) -> PVITError {
        var what = "the file can no longer be read"
        var remedy = "check the disk, or copy the file again from its source"
        if let size = sizeNow, size < byteCount {
            what = "the file was truncated from \(byteCount) to \(size) bytes while it was in use"
            remedy = "copy or download it again, and do not write to it while it is in use"
        }
        return PVITError(
            .readFailed, what, file: path, bytes: UInt64(range.lowerBound)..<UInt64(range.upperBound), remedy: remedy)
    }

    /// Tells the operating system how a range of the file will be used. Bytes outside the file are ignored.
    package func advise(_ advice: Advice, _ range: Range<Int>) {
        // The pages of a copy cannot be read again once they are dropped.
        guard let base = mapping?.bytes.baseAddress, !isCopy else { return }
        let pageSize = PageAdvice.pageByteCount
        let start = range.clamped(to: 0..<byteCount).lowerBound / pageSize * pageSize
        let length = range.clamped(to: 0..<byteCount).upperBound - start
        guard length > 0 else { return }
        let pages: PageAdvice =
            switch advice {
            case .sequential: .sequential
            case .random: .random
            case .willNeed: .willNeed
            case .all: .populate
            case .dontNeed: .dontNeed
            }
        pages.give(UnsafeMutableRawPointer(mutating: base + start), byteCount: length)
    }
}
