import Checkpoints
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

import Tensors

/// Files that are hashed one after the other, a piece at a time.
struct HashingTrack {
    /// What one piece brought.
    struct Step {
        /// The bytes that were read.
        let byteCount: Int
        /// The digest of a file that ended here, in hexadecimal digits, and the file's number.
        let digest: (file: Int, hexadecimal: String)?
    }

    private static let pieceByteCount = 1 << 20
    /// How far ahead of a piece the operating system is asked to read.
    private static let readAheadByteCount = 16 << 20

    private let files: [(number: Int, file: Checkpoint.SourceFile)]
    private let byteCount: UInt64
    private var position: UInt64 = 0
    private var current: OpenFile?
    private var next = 0

    /// - Parameter files: The files and their numbers.
    init(_ files: [(number: Int, file: Checkpoint.SourceFile)]) {
        self.files = files
        byteCount = files.reduce(0) { $0 + $1.file.byteCount }
    }

    /// How much of all files was read.
    var fraction: Double { Double(position) / Double(max(byteCount, 1)) }

    /// Whether all files have their digests.
    var isDone: Bool { current == nil && next == files.count }

    /// Reads and hashes the next piece.
    ///
    /// - Throws: `file.read-failed`.
    mutating func advance() throws -> Step {
        guard next < files.count else { return Step(byteCount: 0, digest: nil) }
        let (number, file) = files[next]
        do {
            let open = try current ?? OpenFile(file.path)
            current = open
            let count = try open.hashPiece(of: Self.pieceByteCount, readAhead: Self.readAheadByteCount)
            position += UInt64(count)
            if count > 0 { return Step(byteCount: count, digest: nil) }
            current = nil
            next += 1
            return Step(byteCount: 0, digest: (number, open.digest))
        } catch let error as Errno {
            throw PVITError(.readFailed, "reading failed: \(error)", file: file.path)
        }
    }
}

/// A file that is being hashed.
private final class OpenFile {
    private let descriptor: FileDescriptor
    private var hash = SHA256()
    private var buffer: [UInt8] = []
    private var position = 0

    init(_ path: FilePath) throws {
        descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
    }

    deinit { try? descriptor.close() }

    /// The digest of all that was read.
    var digest: String { hash.digest.description }

    /// Reads the next piece; returns its size, 0 at the end of the file.
    func hashPiece(of byteCount: Int, readAhead: Int) throws -> Int {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: byteCount) }
        // Advice: whether it is followed makes no difference but in speed.
        _ = posix_fadvise(descriptor.rawValue, position + byteCount, readAhead, POSIX_FADV_WILLNEED)
        let count = try buffer.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        position += count
        return count
    }
}
