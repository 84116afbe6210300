import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A regular file that is read in whole blocks into the caller's memory, bypassing the page cache. If the file system
/// cannot do that, blocks are dropped from the page cache once they are read.
///
/// Use it for bytes of which the operating system should keep no copy. Any number of threads may read at once.
package final class DirectFile: Sendable {
    /// Offsets in the file and addresses in memory are multiples of this many bytes.
    package static let blockByteCount = DirectReading.blockByteCount

    /// The path that the file was opened with.
    package let path: FilePath
    /// Whether reads bypass the page cache.
    package let isDirect: Bool
    private let descriptor: FileDescriptor

    /// Opens a mapped file again.
    ///
    /// - Throws: `file.unreadable` if it cannot be opened, or if another file has replaced it.
    package init(reopening file: borrowing MappedFile) throws {
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
                .fileUnreadable, "the file was replaced while it was opened", file: path, remedy: "try again")
        }
    }

    private static func open(_ path: FilePath) throws -> (FileDescriptor, isDirect: Bool) {
        if let descriptor = DirectReading.open(path) { return (descriptor, true) }
        return (try FileDescriptor.open(path, .readOnly, options: .closeOnExec), false)
    }

    deinit { try? descriptor.close() }

    /// The whole blocks that hold `range`.
    package static func blocks(of range: Range<Int>) -> Range<Int> {
        let start = range.lowerBound / blockByteCount * blockByteCount
        return start..<(range.upperBound + blockByteCount - 1) / blockByteCount * blockByteCount
    }

    /// Reads the blocks that hold `range` to the beginning of `memory`.
    ///
    /// - Parameters:
    ///   - range: Offsets in the file.
    ///   - memory: Starts at a multiple of `blockByteCount` and has room for the blocks.
    /// - Throws: `file.read-failed` if the disk fails or the file ends before `range` does.
    package func read(_ range: Range<Int>, into memory: UnsafeMutableRawBufferPointer) throws {
        let blocks = Self.blocks(of: range)
        precondition(memory.count >= blocks.count)
        var done = 0
        while blocks.lowerBound + done < range.upperBound {
            let offset = blocks.lowerBound + done
            let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done..<blocks.count])
            let count: Int
            do {
                count = try descriptor.read(fromAbsoluteOffset: Int64(offset), into: rest)
            } catch let error as Errno {
                throw PVITError(.readFailed, "reading failed: \(error)", file: path, bytes: Self.bytes(range))
            }
            // The last block of a file may be short. Any other short block is read again from its start.
            guard offset + count < range.upperBound else { break }
            guard count >= Self.blockByteCount else {
                throw PVITError(
                    .readFailed, "the file ended while it was in use", file: path, bytes: Self.bytes(range),
                    remedy: "leave the file as it is until the program has ended")
            }
            done += count / Self.blockByteCount * Self.blockByteCount
        }
        if !isDirect {
            PageCache.drop(blocks, of: descriptor)
        }
    }

    private static func bytes(_ range: Range<Int>) -> Range<UInt64> {
        UInt64(range.lowerBound)..<UInt64(range.upperBound)
    }
}
