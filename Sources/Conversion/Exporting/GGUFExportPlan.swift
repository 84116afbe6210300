import Architectures
import Checkpoints
import Storage
import Tensors

/// What the weights of a GGUF file shall be.
public enum GGUFWeightType: String, Sendable, Hashable, CaseIterable {
    /// IEEE 754 binary32.
    case f32
    /// IEEE 754 binary16.
    case f16
    /// bfloat16.
    case bf16
    /// Blocks of 32 8-bit codes with an f16 scale: 8.5 bits a weight.
    case q80 = "q8_0"
    /// Blocks of 32 4-bit codes with an f16 scale: 4.5 bits a weight.
    case q40 = "q4_0"
    /// Blocks of 32 4-bit codes with an f16 scale and an f16 minimum: 5 bits a weight.
    case q41 = "q4_1"

    /// The type of matrices.
    var matrixType: GGUFType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q80: .q80
        case .q40: .q40
        case .q41: .q41
        }
    }

    /// The type as that of the elements of a safetensors file; nil for quantized types.
    public var elementType: ElementType? { matrixType.isQuantized ? nil : matrixType.elementType }

    /// `general.file_type` (`llama_ftype` of llama.h).
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q40: 2
        case .q41: 3
        case .q80: 7
        case .bf16: 32
        }
    }
}

/// Which tensors a GGUF file gets, in which type and order.
struct GGUFExportPlan: Sendable {
    /// A tensor of the file.
    struct Entry: Sendable {
        /// The tensor in the source.
        let source: TensorDescription
        /// The tensor in the file.
        let written: GGUFWriter.Tensor
        /// The order of the rows in the file where it differs.
        let order: RotaryRowOrder?
        /// How many rows are converted at a time.
        let rowsPerPiece: Int

        /// The rows in pieces, in order.
        var pieces: [Range<Int>] {
            stride(from: 0, to: source.shape.rows, by: rowsPerPiece).map { start in
                start..<min(start + rowsPerPiece, source.shape.rows)
            }
        }
    }

    /// The sizes and constants of the model.
    let configuration: LlamaConfiguration
    /// The tensors in the order of the file.
    let entries: [Entry]
    /// Tensors of the source that LLaMA models in GGUF files have no place for.
    let leftOut: [TensorName]
    /// About how many numbers are converted at a time.
    private static let elementsPerPiece = 1 << 19

    /// Decides for every tensor.
    ///
    /// Matrices get `type`; vectors stay f32, which is what llama.cpp expects. A matrix whose rows are not a multiple
    /// of 32 elements stays f16, and with 4-bit weights the output layer gets 8 bits, as in llama.cpp's own files.
    ///
    /// - Parameter checkpoint: A model whose configuration is true to its output layer.
    /// - Throws: `checkpoint.config`, `checkpoint.tensors`, `model.config`, `model.unsupported`.
    init(for checkpoint: Checkpoint, type: GGUFWeightType) throws {
        let architecture = try CheckpointDiagnosis.decoder(checkpoint)
        configuration = architecture.configuration
        let sources = Dictionary(checkpoint.weights.tensors.map { ($0.name, $0) }) { first, _ in first }
        var entries: [Entry] = []
        for name in architecture.tensors.map(\.name) {
            guard let source = sources[name], let translated = LlamaTensorNames.ggufName(of: name) else { continue }
            let isOutput = name == TensorKind.outputName || architecture.isTied && name == TensorKind.embeddingName
            var matrixType = type.matrixType
            if isOutput, [.q40, .q41].contains(matrixType) { matrixType = .q80 }
            if source.shape.elementsPerRow % matrixType.elementsPerBlock != 0 { matrixType = .f16 }
            var order: RotaryRowOrder?
            var rowsPerPiece = max(1, Self.elementsPerPiece / max(source.shape.elementsPerRow, 1))
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
                // Whole heads: their rows are together in both orders.
                let width = source.shape.rows / heads
                rowsPerPiece = max(1, rowsPerPiece / width) * width
            }
            entries.append(
                Entry(
                    source: source,
                    written: GGUFWriter.Tensor(
                        name: translated.name, type: source.shape.rank < 2 ? .f32 : matrixType, shape: source.shape),
                    order: order, rowsPerPiece: rowsPerPiece))
        }
        self.entries = entries
        let written = Set(entries.map(\.source.name))
        leftOut = checkpoint.weights.tensors.map(\.name).filter { name in
            !written.contains(name) && TensorKind(name) != .unread
        }
    }
}
