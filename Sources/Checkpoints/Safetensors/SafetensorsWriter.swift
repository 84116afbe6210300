import Storage
import SystemPackage
import Tensors

/// Writes a safetensors file sequentially. The same tensors always give the same bytes.
///
/// The header is padded with spaces so that the data begins at a multiple of 8 bytes. The tensors lie in the order
/// given, except that wider elements come first, which keeps every tensor aligned.
package struct SafetensorsWriter: ~Copyable {
    /// The tensors in the order in which their bytes must be appended.
    package let tensors: [TensorDescription]
    private var output: OutputFile
    private let endOffset: UInt64

    /// Starts a file with these tensors.
    ///
    /// - Throws: `file.cannot-create`, `file.write-failed`, or `safetensors.header-too-large` for too many tensors.
    package init(path: FilePath, tensors: [TensorDescription], metadata: JSONObject = ["format": "pt"]) throws {
        let ordered = Self.writingOrder(of: tensors)
        let header = try Self.header(for: ordered, metadata: metadata)
        var output = try OutputFile(path: path)
        var length: [UInt8] = []
        length.appendLittleEndian(UInt64(header.count))
        try output.append(length)
        try output.append(header)
        self.tensors = ordered
        endOffset = output.byteCount + ordered.reduce(0) { $0 + UInt64($1.byteCount) }
        self.output = output
    }

    /// Appends the next bytes of the data.
    package mutating func append(_ bytes: RawSpan) throws {
        try output.append(bytes)
    }

    /// Ends the file. It gets its name when the result is committed.
    ///
    /// - Throws: `internal.defect` when not exactly the bytes of all tensors were appended.
    package consuming func finish() throws -> OutputFile {
        guard output.byteCount == endOffset else {
            throw PVITError(
                .internalDefect, "\(output.byteCount) bytes were written instead of \(endOffset)",
                file: output.path)
        }
        return output
    }

    /// The tensors by decreasing element size, otherwise in their order.
    static func writingOrder(of tensors: [TensorDescription]) -> [TensorDescription] {
        [8, 4, 2, 1].flatMap { width in tensors.filter { $0.elementType.byteCount == width } }
    }

    private static func header(for tensors: [TensorDescription], metadata: JSONObject) throws -> [UInt8] {
        var header = JSONObject()
        header["__metadata__"] = .object(metadata)
        var offset = 0
        for tensor in tensors {
            let (end, overflow) = offset.addingReportingOverflow(tensor.byteCount)
            guard !overflow else {
                throw PVITError(.tensorMismatch, "the tensors are too large for one file", tensor: tensor.name)
            }
            guard header[tensor.name.rawValue] == nil else {
                throw PVITError(.safetensorsDuplicateName, "two tensors have this name", tensor: tensor.name)
            }
            header[tensor.name.rawValue] = [
                "dtype": .string(tensor.elementType.rawValue.uppercased()),
                "shape": .array(tensor.shape.dimensions.map { .integer($0) }),
                "data_offsets": [.integer(offset), .integer(end)],
            ]
            offset = end
        }
        var text = JSONValue.object(header).encoded()
        text += repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        guard text.count <= SafetensorsHeader.maximumByteCount else {
            throw PVITError(
                .safetensorsHeaderTooLarge, "\(tensors.count) tensors are too many for one file",
                remedy: "choose a smaller shard size")
        }
        return text
    }
}
