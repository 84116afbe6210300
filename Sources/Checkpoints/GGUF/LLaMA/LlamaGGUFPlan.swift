import Architectures
import Storage
import Tensors

/// The tensors of a GGUF file that is written, with their types and their order.
package struct LlamaGGUFPlan: Sendable {
    /// A tensor of the file.
    package struct Entry: Sendable {
        /// The tensor in the source.
        package let source: TensorDescription
        /// The tensor in the file.
        package let written: GGUFWriter.Tensor
        /// The order of the rows in the file where it differs.
        package let order: RotaryRowOrder?
        /// How many rows are converted at a time.
        let rowsPerChunk: Int

        /// The rows in chunks, in order.
        package var chunks: [Range<Int>] {
            stride(from: 0, to: source.shape.rows, by: rowsPerChunk).map { start in
                start..<min(start + rowsPerChunk, source.shape.rows)
            }
        }
    }

    /// The sizes and constants of the model.
    package let configuration: LlamaConfiguration
    /// The tensors in the order of the file.
    package let entries: [Entry]
    /// Tensors of the source that LLaMA models in GGUF files do not have.
    package let leftOut: [TensorName]
    /// The approximate number of elements that are converted at a time.
    private static let elementsPerChunk = 1 << 19

    /// Plans every tensor.
    ///
    /// Matrices get `type`; vectors stay f32, which is what llama.cpp expects. A matrix whose rows are not a multiple
    /// of 32 elements stays f16, and with 4-bit weights the output layer gets 8 bits, as in llama.cpp's own files.
    ///
    /// - Parameters:
    ///   - checkpoint: A model whose configuration describes its output layer.
    ///   - architecture: Its architecture.
    /// - Throws: `checkpoint.tensors`.
    package init(for checkpoint: Checkpoint, _ architecture: LlamaArchitecture, type: GGUFWeightType) throws {
        configuration = architecture.configuration
        let sources = Dictionary(checkpoint.weights.tensors.map { ($0.name, $0) }) { first, _ in first }
        var entries: [Entry] = []
        for (name, _) in architecture.tensors {
            guard let source = sources[name], let translated = LlamaTensorNames.ggufName(of: name) else { continue }
            let isOutput = name == TensorKind.outputName || architecture.isTied && name == TensorKind.embeddingName
            var matrixType = type.matrixType
            if isOutput, [.q40, .q41].contains(matrixType) { matrixType = .q80 }
            if source.shape.elementsPerRow % matrixType.elementsPerBlock != 0 { matrixType = .f16 }
            var order: RotaryRowOrder?
            var rowsPerChunk = max(1, Self.elementsPerChunk / max(source.shape.elementsPerRow, 1))
            if let rotated = translated.rotated {
                let heads = rotated == .query ? configuration.headCount : configuration.keyValueHeadCount
                order = RotaryRowOrder(rows: source.shape.rows, heads: heads)
                guard order != nil else {
                    throw PVITError(
                        .checkpointTensors,
                        "\(source.shape.rows) rows cannot be cut into \(heads) heads of an even width",
                        file: checkpoint.path, tensor: name,
                        remedy: "check that the config.json beside the weights is theirs")
                }
                // Chunks are whole heads, whose rows are together in both orders.
                let width = source.shape.rows / heads
                rowsPerChunk = max(1, rowsPerChunk / width) * width
            }
            entries.append(
                Entry(
                    source: source,
                    written: GGUFWriter.Tensor(
                        name: translated.name, type: source.shape.rank < 2 ? .f32 : matrixType, shape: source.shape),
                    order: order, rowsPerChunk: rowsPerChunk))
        }
        self.entries = entries
        let written = Set(entries.map(\.source.name))
        leftOut = checkpoint.weights.tensors.map(\.name).filter { name in
            !written.contains(name) && TensorKind(name) != .unread
        }
    }
}
