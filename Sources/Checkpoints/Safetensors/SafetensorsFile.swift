import Storage
import SystemPackage
import Tensors

/// The tensors of one safetensors file, read in place from the mapped file.
package final class SafetensorsFile: WeightFile {
    private let mapped: MappedTensors<SafetensorsHeader>

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or a `safetensors.*` error.
    package init(path: FilePath) throws { mapped = try MappedTensors(path: path) }

    /// The header of the file.
    package var header: SafetensorsHeader { mapped.header }

    /// The path that the file was opened at.
    package var path: FilePath { mapped.file.path }

    /// The size of the file in bytes.
    package var byteCount: Int { mapped.file.byteCount }

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
        let bytes = try mapped.entry(of: tensor).bytes
        try checkRequest(
            rows: rows, of: tensor, destinationByteCount: rows.count * tensor.bytesPerRow)
        let start = bytes.lowerBound + rows.lowerBound * tensor.bytesPerRow
        let range = start..<start + rows.count * tensor.bytesPerRow
        return try mapped.file.withScan(over: range, of: bytes, tensor: tensor.name, body)
    }
}
