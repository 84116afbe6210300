import Storage
import SystemPackage
import Tensors

/// The header of a file whose tensors are read in place.
protocol TensorFileHeader: Sendable {
    associatedtype Entry: TensorFileEntry

    /// The tensors in the order of their bytes.
    var entries: [Entry] { get }

    /// Reads and checks the header of a file.
    init(of file: borrowing MappedFile) throws
}

/// What a header says of a tensor.
protocol TensorFileEntry: Sendable {
    /// Name, type and shape.
    var tensor: TensorDescription { get }
}

/// A mapped file and the header that lists its tensors.
struct MappedTensors<Header: TensorFileHeader>: ~Copyable, Sendable {
    let file: MappedFile
    let header: Header
    private let indices: [TensorName: Int]

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or what the header throws.
    init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        let header = try Header(of: file)
        indices = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.tensor.name, $0) })
        self.header = header
        self.file = file
    }

    /// The entry of a name, or nil.
    subscript(name: TensorName) -> Header.Entry? { indices[name].map { header.entries[$0] } }

    /// The entry of a tensor.
    ///
    /// - Throws: `tensor.not-found`.
    func entry(of tensor: TensorDescription) throws -> Header.Entry {
        guard let entry = self[tensor.name], entry.tensor == tensor else {
            throw PVITError(.tensorNotFound, "the file holds no such tensor", file: file.path, tensor: tensor.name)
        }
        return entry
    }
}
