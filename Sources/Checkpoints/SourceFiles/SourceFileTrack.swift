import Platform
import Storage
import SystemPackage

/// Files that are read and verified one after the other, a chunk at a time.
struct SourceFileTrack {
    /// The result of reading one chunk.
    struct Step {
        /// The bytes that were read.
        let byteCount: Int
        /// The index and the digest of a file that ended here.
        let digest: (file: Int, value: Digest)?
    }

    private static let chunkByteCount = 1 << 20
    /// How far ahead of a chunk the operating system is asked to read.
    private static let readAheadByteCount = 16 << 20

    private let files: [(index: Int, file: Checkpoint.SourceFile)]
    private let computesDigests: Bool
    private let byteCount: UInt64
    private var position: UInt64 = 0
    private var current: OpenFile?
    private var next = 0

    /// - Parameters:
    ///   - files: The files and their indices.
    ///   - computesDigests: Whether to compute the SHA-256 of each file.
    init(_ files: [(index: Int, file: Checkpoint.SourceFile)], computesDigests: Bool) {
        self.files = files
        self.computesDigests = computesDigests
        byteCount = files.reduce(0) { $0 + $1.file.byteCount }
    }

    /// How much of all files was read.
    var fraction: Double { Double(position) / Double(max(byteCount, 1)) }

    /// Whether all files are read.
    var isDone: Bool { current == nil && next == files.count }

    /// Reads and verifies the next chunk.
    ///
    /// - Throws: `file.read-failed`, `torch.checksum`.
    mutating func advance() throws -> Step {
        guard next < files.count else { return Step(byteCount: 0, digest: nil) }
        let (index, file) = files[next]
        do {
            let open = try current ?? OpenFile(file, computesDigest: computesDigests)
            current = open
            let count = try open.readChunk(of: Self.chunkByteCount, readAhead: Self.readAheadByteCount)
            position += UInt64(count)
            if count > 0 { return Step(byteCount: count, digest: nil) }
            current = nil
            next += 1
            return Step(byteCount: 0, digest: try open.finish().map { (index, $0) })
        } catch let error as Errno {
            throw PVITError(.readFailed, "reading failed: \(error)", file: file.path)
        } catch let error as PVITError {
            throw error.located(file: file.path)
        }
    }
}

/// A file that is being read.
private final class OpenFile {
    private let descriptor: FileDescriptor
    private var hash: SHA256?
    private var checksums: RangeChecksums
    private var buffer: [UInt8] = []
    private var position = 0

    init(_ file: Checkpoint.SourceFile, computesDigest: Bool) throws {
        checksums = RangeChecksums(file.checksums)
        hash = computesDigest ? SHA256() : nil
        descriptor = try FileDescriptor.open(file.path, .readOnly, options: [.closeOnExec])
    }

    deinit { try? descriptor.close() }

    /// Ends the checks; returns the digest of the whole file if it was asked for.
    func finish() throws -> Digest? {
        try checksums.finish()
        return hash?.digest
    }

    /// Reads the next chunk; returns its size, 0 at the end of the file.
    func readChunk(of byteCount: Int, readAhead: Int) throws -> Int {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: byteCount) }
        let next = position + byteCount
        PageCache.prefetch(next..<next + readAhead, of: descriptor)
        let count = try buffer.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        let buffer = buffer
        let bytes = buffer.span.bytes.extracting(first: count)
        hash?.update(bytes)
        try checksums.update(bytes)
        position += count
        return count
    }
}
