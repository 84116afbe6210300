import SystemPackage
import Tensors

/// The tensors of one GGUF file under their own names, read in place from the mapped file. Quantized types are delivered
/// as f32.
public final class GGUFFile: TensorSource {
    let header: GGUFHeader
    let file: MappedFile
    private let places: [TensorName: Int]
    /// Reads of at least this many bytes are part of a pass over the file.
    private static let passByteCount = 1 << 16
    /// How far ahead of a pass the operating system is asked to read.
    private static let readAheadByteCount = 4 << 20

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or a `gguf.*` error.
    public init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        let header = try GGUFHeader(of: file)
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

    /// The type of a tensor's elements in the file; nil when there is no such tensor.
    public func storedType(of name: TensorName) -> GGUFType? { places[name].map { header.entries[$0].type } }

    /// Copies or decodes rows (`TensorSource.readRows`).
    ///
    /// A pass over a tensor in large pieces is read ahead of, and what it has read leaves the process's memory at once.
    public func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let place = places[tensor.name], header.entries[place].tensor == tensor else {
            throw PVITError(.tensorNotFound, "the file holds no such tensor", file: path, tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard destination.byteCount > 0 else { return }
        let entry = header.entries[place]
        let width = tensor.shape.elementsPerRow
        let elements = rows.lowerBound * width..<rows.upperBound * width
        // The blocks that hold the elements; more than these only for parts of a quantized vector.
        let size = entry.type.elementsPerBlock
        let blocks = elements.lowerBound / size..<(elements.upperBound - 1) / size + 1
        let start = entry.bytes.lowerBound
        let range =
            start + blocks.lowerBound * entry.type.bytesPerBlock..<start + blocks.upperBound
            * entry.type.bytesPerBlock
        let isPass = range.count >= Self.passByteCount
        if isPass {
            let next = range.upperBound..<min(range.upperBound + Self.readAheadByteCount, entry.bytes.upperBound)
            file.advise(.willNeed, next)
        }
        try file.withBytes(range) { source in
            if !entry.type.isQuantized {
                destination.copy(source)
            } else if blocks.count * size == elements.count {
                try entry.type.decode(source, into: &destination)
            } else {
                var whole = [UInt8](repeating: 0, count: blocks.count * size * 4)
                var span = whole.mutableSpan
                var bytes = span.mutableBytes
                try entry.type.decode(source, into: &bytes)
                let first = (elements.lowerBound - blocks.lowerBound * size) * 4
                destination.copy(bytes.bytes.extracting(first..<first + destination.byteCount))
            }
        }
        if isPass { file.advise(.dontNeed, range) }
    }
}

extension MutableRawSpan {
    /// Copies as many bytes as there are.
    fileprivate mutating func copy(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { source in withUnsafeMutableBytes { $0.copyMemory(from: source) } }
    }
}
