import Storage
import SystemPackage
import Tensors

/// The tensors of one safetensors file, read in place from the mapped file.
package final class SafetensorsFile: WeightFile {
    /// The header of the file.
    package let header: SafetensorsHeader
    private let file: MappedFile
    private let indices: [TensorName: Int]

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or a `safetensors.*` error.
    package init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        let header = try SafetensorsHeader(of: file)
        indices = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.tensor.name, $0) })
        self.header = header
        self.file = file
    }

    /// The path that the file was opened at.
    package var path: FilePath { file.path }

    /// The size of the file in bytes.
    package var byteCount: Int { file.byteCount }

    /// All tensors, in the order of their bytes in the file.
    package var tensors: [TensorDescription] { header.entries.map(\.tensor) }

    /// Copies rows from the map (`TensorSource.readRows`).
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        var unused: [UInt8] = []
        try withRows(rows, of: tensor, scratch: &unused) { destination.copy($0) }
    }

    /// Lends rows of the map (`TensorSource.withRows`).
    package func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard let index = indices[tensor.name], header.entries[index].tensor == tensor else {
            throw PVITError(.tensorNotFound, "the file holds no such tensor", file: path, tensor: tensor.name)
        }
        try checkRequest(
            rows: rows, of: tensor, destinationByteCount: rows.count * tensor.bytesPerRow)
        let bytes = header.entries[index].bytes
        let start = bytes.lowerBound + rows.lowerBound * tensor.bytesPerRow
        let range = start..<start + rows.count * tensor.bytesPerRow
        return try file.withScan(over: range, of: bytes, tensor: tensor.name, body)
    }
}
