import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file that is read in whole blocks into the caller's memory, past the page cache where the file system can
/// do that; elsewhere what was read is dropped from the page cache.
///
/// For bytes of which the operating system shall keep no copy. A disk that fails is an error here, and not a signal as
/// with a mapped file. Any number of threads may read at once.
public final class DirectFile: Sendable {
    /// What places in the file and in memory are multiples of.
    public static let blockByteCount = 4096

    /// Where the file was when it was opened.
    public let path: FilePath
    /// Whether the page cache is passed by.
    public let isDirect: Bool
    private let descriptor: FileDescriptor

    /// Opens a file that is mapped once more.
    ///
    /// - Throws: `file.unreadable` when it cannot be opened, or when another file is there by now.
    public init(reopening file: borrowing MappedFile) throws {
        let path = file.path
        do {
            (descriptor, isDirect) = try Self.open(path)
        } catch let error as Errno {
            throw PVITError(.fileUnreadable, "the file cannot be opened: \(error)", file: path)
        }
        self.path = path
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0, FileIdentity(status) == file.identity else {
            throw PVITError(
                .fileUnreadable, "the file was replaced while it was being opened", file: path, remedy: "try again")
        }
    }

    private static func open(_ path: FilePath) throws -> (FileDescriptor, isDirect: Bool) {
        if let direct, let descriptor = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec, direct]) {
            // Some file systems open a file like this and then refuse to read it, or want larger blocks.
            if readsBlocks(descriptor) { return (descriptor, true) }
            try? descriptor.close()
        }
        return (try FileDescriptor.open(path, .readOnly, options: .closeOnExec), false)
    }

    /// Whether the first block can be read.
    private static func readsBlocks(_ descriptor: FileDescriptor) -> Bool {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockByteCount, alignment: blockByteCount)
        defer { block.deallocate() }
        return (try? descriptor.read(fromAbsoluteOffset: 0, into: block)) != nil
    }

    /// O_DIRECT of Linux, which the C library's headers hide from Swift (include/uapi/asm-generic/fcntl.h and the
    /// architectures' own); nil where its value is not known.
    private static var direct: FileDescriptor.OpenOptions? {
        #if os(Linux) && arch(x86_64)
            FileDescriptor.OpenOptions(rawValue: 0o40000)
        #elseif os(Linux) && arch(arm64)
            FileDescriptor.OpenOptions(rawValue: 0o200000)
        #else
            nil
        #endif
    }

    deinit { try? descriptor.close() }

    /// The whole blocks that hold `range`.
    public static func blocks(of range: Range<Int>) -> Range<Int> {
        let start = range.lowerBound / blockByteCount * blockByteCount
        return start..<(range.upperBound + blockByteCount - 1) / blockByteCount * blockByteCount
    }

    /// Reads the blocks that hold `range` to the beginning of `memory`, which starts on a multiple of `blockByteCount`
    /// and has room for them.
    ///
    /// - Throws: `file.read-failed` when the disk fails or the file ends before `range` does.
    public func read(_ range: Range<Int>, into memory: UnsafeMutableRawBufferPointer) throws {
        let blocks = Self.blocks(of: range)
        precondition(memory.count >= blocks.count)
        var done = 0
        while blocks.lowerBound + done < range.upperBound {
            let place = blocks.lowerBound + done
            let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done..<blocks.count])
            let count: Int
            do {
                count = try descriptor.read(fromAbsoluteOffset: Int64(place), into: rest)
            } catch let error as Errno {
                throw PVITError(.readFailed, "reading failed: \(error)", file: path, bytes: Self.bytes(range))
            }
            // The last block of a file may be short; another one is read again from its start.
            guard place + count < range.upperBound else { break }
            guard count >= Self.blockByteCount else {
                throw PVITError(
                    .readFailed, "the file ended while it was in use", file: path, bytes: Self.bytes(range),
                    remedy: "leave the file as it is until the program has ended")
            }
            done += count / Self.blockByteCount * Self.blockByteCount
        }
        if !isDirect {
            posix_fadvise(descriptor.rawValue, blocks.lowerBound, blocks.count, Int32(POSIX_FADV_DONTNEED))
        }
    }

    private static func bytes(_ range: Range<Int>) -> Range<UInt64> {
        UInt64(range.lowerBound)..<UInt64(range.upperBound)
    }
}
