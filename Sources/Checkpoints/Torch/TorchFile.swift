import Storage
import SystemPackage
import Tensors

/// The weights in one file of `torch.save` (`.bin`, `.pth`, `.pt`), read in place from the mapped file.
///
/// No code in the file is ever run (`Unpickler`). `StateDictionary` decides which tensors are weights.
package final class TorchFile: WeightFile {
    /// All weights, in the order of their bytes in the file.
    package let tensors: [TensorDescription]
    /// The number of tensors that are not weights, such as an optimizer's.
    package let skippedTensorCount: Int
    private let file: MappedFile
    private let entries: [TensorName: Entry]
    /// The archive's checksums of storages with weights (`WeightFile.checksums`). Files without archive have none.
    package let checksums: [ChecksummedRange]

    private struct Entry {
        let tensor: TensorDescription
        /// The bytes of the file that the tensor spans.
        let bytes: Range<Int>
        let byteStrides: [Int]

        /// Whether each element is followed by the next one in the order of rows.
        var isContiguous: Bool {
            var next = tensor.elementType.byteCount
            for (extent, stride) in zip(tensor.shape.dimensions, byteStrides).reversed() where extent != 1 {
                guard stride == next else { return false }
                next *= extent
            }
            return next == bytes.count
        }
    }

    /// Maps a file and reads the descriptions of its tensors.
    ///
    /// - Throws: `file.not-found`, `file.unreadable`, `checkpoint.lfs-pointer`, `checkpoint.format-unknown` or a
    ///   `torch.*` error.
    package init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        try FileKind.rejectPlaceholder(file)
        do {
            let layout = try Self.layout(of: file)
            let weights = try StateDictionary(layout.root, in: layout.heap).weights
            var entries = try weights.map { try Self.entry($0.name, $0.tensor, in: layout) }
            entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
            tensors = entries.map(\.tensor)
            self.entries = Dictionary(entries.map { ($0.tensor.name, $0) }) { first, _ in first }
            skippedTensorCount = max(0, layout.heap.tensors.count - weights.count)
            checksums = Self.checksums(of: weights, in: layout)
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        self.file = file
    }

    /// The path that the file was opened at.
    package var path: FilePath { file.path }

    /// The size of the file in bytes.
    package var byteCount: Int { file.byteCount }

    /// Copies rows from the map (`TensorSource.readRows`), gathering the elements of tensors that are not contiguous.
    package func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        try copyRows(
            RowSelection(rows), of: tensor, into: &destination, at: 0, rowStride: tensor.bytesPerRow)
    }

    /// Lends rows of the map, or copies tensors that are not contiguous (`TensorSource.withRows`).
    package func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        let byteCount = rows.count * tensor.bytesPerRow
        guard let entry = entries[tensor.name], entry.tensor == tensor, entry.isContiguous else {
            return try withCopiedRows(rows, of: tensor, scratch: &scratch, body)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: byteCount)
        let start = entry.bytes.lowerBound + rows.lowerBound * tensor.bytesPerRow
        return try file.withScan(over: start..<start + byteCount, of: entry.bytes, tensor: tensor.name, body)
    }

    /// Copies rows into `destination`, `rowStride` bytes apart, the first one at `offset`.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when rows are outside the tensor or do not fit
    ///   into the destination.
    func copyRows(
        _ rows: RowSelection, of tensor: TensorDescription, into destination: inout MutableRawSpan, at offset: Int,
        rowStride: Int
    ) throws {
        guard let entry = entries[tensor.name], entry.tensor == tensor else {
            throw PVITError(.tensorNotFound, "the file holds no such tensor", file: path, tensor: tensor.name)
        }
        guard rows.count > 0, tensor.bytesPerRow > 0 else { return }
        let end = offset + (rows.count - 1) * rowStride + tensor.bytesPerRow
        guard rows.first >= 0, rows.step > 0, rows.last < tensor.shape.rows, offset >= 0,
            rowStride >= tensor.bytesPerRow || rows.count == 1, end <= destination.byteCount
        else {
            throw PVITError(
                .tensorMismatch, "rows \(rows.first)...\(rows.last) of a tensor of shape \(tensor.shape) do not fit",
                file: path, tensor: tensor.name)
        }
        let source = sourceRange(of: rows, in: entry)
        var dimensions = [
            StridedCopy.Dimension(
                count: rows.count, sourceStride: (entry.byteStrides.first ?? 0) * rows.step,
                destinationStride: rowStride)
        ]
        var destinationStride = tensor.bytesPerRow
        for (extent, stride) in zip(tensor.shape.dimensions, entry.byteStrides).dropFirst() {
            destinationStride /= extent
            dimensions.append(
                StridedCopy.Dimension(count: extent, sourceStride: stride, destinationStride: destinationStride))
        }
        let copy = StridedCopy(dimensions, elementByteCount: tensor.elementType.byteCount)
        try file.withScan(over: source, of: entry.bytes, tensor: tensor.name) {
            copy.run(from: $0, into: &destination, at: offset)
        }
    }

    /// The bytes of the file from the first element of the rows to their last.
    private func sourceRange(of rows: RowSelection, in entry: Entry) -> Range<Int> {
        let rowStride = entry.byteStrides.first ?? 0
        let rowSpan = entry.bytes.count - (entry.tensor.shape.rows - 1) * rowStride
        let start = entry.bytes.lowerBound + rows.first * rowStride
        return start..<start + (rows.count - 1) * rows.step * rowStride + rowSpan
    }

    private static func checksums(
        of weights: [(name: TensorName, tensor: TorchTensor)], in layout: TorchLayout
    ) -> [ChecksummedRange] {
        let names = weights.map { (ExactText(layout.heap.storages[$0.tensor.storage].key), $0.name) }
        return Dictionary(names) { first, _ in first }.compactMap { key, name in
            layout.entries[key].map { ChecksummedRange($0, tensor: name) }
        }.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
    }

    private static func layout(of file: borrowing MappedFile) throws -> TorchLayout {
        switch try FileKind(of: file) {
        case .zipArchive: return try TorchLayout(archive: file)
        case .pickle: return try TorchLayout(pickles: file)
        case .tarArchive:
            throw PVITError(
                .torchTar, "this has the tar format of PyTorch before version 0.1.10, which is not supported",
                remedy: "save it again if you trust it: python3 -c \"import torch; "
                    + "torch.save(torch.load('OLD.pth', weights_only=False), 'NEW.pth')\"")
        case let kind:
            throw PVITError(
                .formatUnknown, kind == .empty ? "the file is empty" : "this file was not written by torch.save",
                remedy: "download or copy the file again")
        }
    }

    private static func entry(_ name: TensorName, _ view: TorchTensor, in layout: TorchLayout) throws -> Entry {
        let storage = layout.heap.storages[view.storage]
        guard case .known(let type) = view.type else {
            var typeName = "untyped"
            if case .unsupported(let unsupported, _) = view.type { typeName = unsupported }
            throw PVITError(
                .torchUnsupportedType, "elements of type \(typeName) are not supported", tensor: name,
                remedy: "save the weights as float16, bfloat16 or float32")
        }
        guard let bytes = layout.storages[ExactText(storage.key)] else {
            throw PVITError(
                .torchStorage, "the bytes of the tensor, storage \"\(storage.key.prefix(80))\", are not in the file",
                tensor: name, remedy: "download or copy the file again")
        }
        // The product does not overflow: TorchTensor has computed it.
        guard storage.count * storage.type.byteCount <= bytes.count else {
            throw PVITError(
                .torchStorage,
                "the storage of the tensor has \(bytes.count) bytes, too few for \(storage.count) elements of "
                    + "\(storage.type.byteCount) bytes", tensor: name,
                bytes: UInt64(bytes.lowerBound)..<UInt64(bytes.upperBound), remedy: "download or copy the file again")
        }
        let start = bytes.lowerBound + view.bytes.lowerBound
        return Entry(
            tensor: try TensorDescription(name: name, elementType: type, shape: view.shape),
            bytes: start..<start + view.bytes.count, byteStrides: view.byteStrides)
    }
}

/// Rows of a tensor that are evenly spaced.
struct RowSelection {
    let first: Int
    let step: Int
    let count: Int

    /// The rows `first`, `first + step`, …
    init(first: Int, step: Int, count: Int) {
        self.first = first
        self.step = step
        self.count = count
    }

    /// All rows of a range.
    init(_ range: Range<Int>) { self.init(first: range.lowerBound, step: 1, count: range.count) }

    /// The last row.
    var last: Int { first + (count - 1) * step }
}
