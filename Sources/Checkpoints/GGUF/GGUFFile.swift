import Storage
import SystemPackage
import Tensors

/// The tensors of one GGUF file under their own names, read in place from the mapped file. Quantized types are
/// delivered as f32.
package final class GGUFFile: TensorSource {
    let mapped: MappedTensors<GGUFHeader>

    /// Maps a file and checks its header.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer` or a `gguf.*` error.
    package init(path: FilePath) throws { mapped = try MappedTensors(path: path) }

    /// The path that the file was opened at.
    package var path: FilePath { mapped.file.path }

    /// The size of the file in bytes.
    package var byteCount: Int { mapped.file.byteCount }

    /// All tensors, in the order of their bytes in the file.
    package var tensors: [TensorDescription] { mapped.header.entries.map(\.tensor) }

    /// The stored type of a tensor's elements; nil if there is no such tensor.
    package func storedType(of name: TensorName) -> GGUFType? { mapped[name]?.type }

    /// Copies or decodes rows (`TensorSource.readRows`).
    ///
    /// For a scan in large chunks, the operating system is asked to read ahead, and pages that were read are dropped
    /// from the process's memory.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        let entry = try mapped.entry(of: tensor)
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard destination.byteCount > 0 else { return }
        let width = tensor.shape.elementsPerRow
        let elements = rows.lowerBound * width..<rows.upperBound * width
        // The blocks with the elements. They hold more than the elements only for a range of a quantized vector.
        let size = entry.type.elementsPerBlock
        let blocks = elements.lowerBound / size..<(elements.upperBound - 1) / size + 1
        let start = entry.bytes.lowerBound
        let range =
            start + blocks.lowerBound * entry.type.bytesPerBlock..<start + blocks.upperBound
            * entry.type.bytesPerBlock
        try mapped.file.withScan(over: range, of: entry.bytes, tensor: tensor.name) { source in
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
    }

    /// Runs `body`, which reads rows of a matrix within `rows` in any order, as one scan of the file: the bytes that
    /// follow are read ahead, and pages that were read are dropped from the process's memory.
    func readingAhead(over rows: Range<Int>, of tensor: TensorDescription, _ body: () throws -> Void) rethrows {
        guard let entry = mapped[tensor.name] else { return try body() }
        let rowByteCount = entry.bytes.count / max(tensor.shape.rows, 1)
        let start = entry.bytes.lowerBound + rows.lowerBound * rowByteCount
        try mapped.file.readingAhead(over: start..<start + rows.count * rowByteCount, of: entry.bytes, body)
    }
}
