import SystemPackage
import Tensors

/// The tensors of one safetensors file, read in place from the mapped file.
public final class SafetensorsFile: TensorSource {
    /// What the file says of itself.
    public let header: SafetensorsHeader
    private let file: MappedFile
    private let places: [TensorName: Int]
    /// Reads of at least this many bytes are part of a pass over the file.
    private static let passByteCount = 1 << 16
    /// How far ahead of a pass the operating system is asked to read.
    private static let readAheadByteCount = 4 << 20

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or a `safetensors.*` error.
    public init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        let header = try SafetensorsHeader(of: file)
        places = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.tensor.name, $0) })
        self.header = header
        self.file = file
    }

    /// Where the file was when it was opened.
    public var path: FilePath { file.path }

    /// The size of the file in bytes.
    public var byteCount: Int { file.byteCount }

    /// All tensors, in the order of their bytes in the file.
    public var tensors: [TensorDescription] { header.entries.map(\.tensor) }

    /// Copies rows from the map (`TensorSource.readRows`).
    ///
    /// A pass over a tensor in large pieces is read ahead of, and what it has read leaves the process's memory at once.
    public func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let place = places[tensor.name], header.entries[place].tensor == tensor else {
            throw PVITError(.tensorNotFound, "the file holds no such tensor", file: path, tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        let bytes = header.entries[place].bytes
        let start = bytes.lowerBound + rows.lowerBound * tensor.bytesPerRow
        let range = start..<start + destination.byteCount
        let isPass = range.count >= Self.passByteCount
        if isPass {
            let next = range.upperBound..<min(range.upperBound + Self.readAheadByteCount, bytes.upperBound)
            file.advise(.willNeed, next)
        }
        try file.withBytes(range) { source in
            source.withUnsafeBytes { source in
                destination.withUnsafeMutableBytes { $0.copyMemory(from: source) }
            }
        }
        if isPass { file.advise(.dontNeed, range) }
    }
}
