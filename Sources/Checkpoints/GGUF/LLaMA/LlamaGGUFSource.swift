import Storage
import SystemPackage
import Tensors

/// The tensors of a LLaMA model in one or several GGUF files, with the names and the row order of `transformers`.
struct LlamaGGUFSource: TensorSource {
    let tensors: [TensorDescription]
    private let files: [GGUFFile]
    private let originals: [TensorName: Original]

    /// A tensor as stored in its file.
    private struct Original {
        let file: GGUFFile
        let tensor: TensorDescription
        /// The order of the rows if it differs.
        let order: RotaryRowOrder?
    }

    /// Lists the tensors. Names that LLaMA models do not have are kept; tables of rotary frequencies are left out.
    ///
    /// - Parameters:
    ///   - headCount: The number of query heads.
    ///   - keyValueHeadCount: The number of key and value heads.
    /// - Throws: `gguf.duplicate-tensor` if two files hold the same tensor, `gguf.shape` if the rows of a projection
    ///   are not whole heads.
    init(_ files: [GGUFFile], headCount: Int, keyValueHeadCount: Int) throws {
        var tensors: [TensorDescription] = []
        var originals: [TensorName: Original] = [:]
        for file in files {
            for tensor in file.tensors where !Self.isRotaryTable(tensor.name) {
                let translated = LlamaTensorNames.transformersName(of: tensor.name) ?? (tensor.name, nil)
                let order = try translated.rotated.map { rotated in
                    let count = rotated == .query ? headCount : keyValueHeadCount
                    guard let order = RotaryRowOrder(rows: tensor.shape.rows, heads: count) else {
                        throw PVITError(
                            .ggufShape,
                            "\(tensor.shape.rows) rows cannot be cut into \(count) heads of an even width",
                            file: file.path, tensor: tensor.name)
                    }
                    return order
                }
                let original = Original(file: file, tensor: tensor, order: order)
                if let other = originals.updateValue(original, forKey: translated.name) {
                    throw PVITError(
                        .ggufDuplicateTensor,
                        "the tensor is also in \(other.file.path.name)", file: file.path,
                        tensor: tensor.name)
                }
                tensors.append(
                    try TensorDescription(
                        name: translated.name, elementType: tensor.elementType, shape: tensor.shape))
            }
        }
        self.files = files
        self.tensors = tensors
        self.originals = originals
    }

    /// The stored types of quantized tensors.
    var blockTypes: [TensorName: GGUFType] {
        originals.compactMapValues { original in
            original.file.storedType(of: original.tensor.name).flatMap { $0.isQuantized ? $0 : nil }
        }
    }

    private static func isRotaryTable(_ name: TensorName) -> Bool {
        name == LlamaTensorNames.rotaryFactors || name.rawValue.hasSuffix(".attn_rot_embd.weight")
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        guard let original = originals[tensor.name], original.tensor.shape == tensor.shape,
            original.tensor.elementType == tensor.elementType
        else {
            throw PVITError(
                .tensorNotFound, "the model holds no such tensor", file: files.first?.path, tensor: tensor.name)
        }
        try checkRequest(rows: rows, of: tensor, destinationByteCount: destination.byteCount)
        guard let order = original.order else {
            return try original.file.readRows(rows, of: original.tensor, into: &destination)
        }
        try original.file.readingAhead(over: order.interleavedHeads(covering: rows), of: original.tensor) {
            for (index, row) in rows.enumerated() {
                let storedRow = order.interleavedRow(of: row)
                var slice = destination._mutatingExtracting(
                    index * tensor.bytesPerRow..<(index + 1) * tensor.bytesPerRow)
                try original.file.readRows(storedRow..<storedRow + 1, of: original.tensor, into: &slice)
            }
        }
    }
}
