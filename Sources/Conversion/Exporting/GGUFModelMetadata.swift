import Architectures
import Checkpoints
import Storage
import SystemPackage
import Tensors

/// The metadata of a GGUF file for a checkpoint, as llama.cpp's own converter writes them.
struct GGUFModelMetadata {
    /// Keys and values in the order of the file.
    let pairs: [(key: String, value: GGUFValue)]
    /// What of the tokenizer the file has no place for, a sentence for each.
    let tokenizerNotes: [String]
    private let scaling: Llama3RotaryScaling?
    private let theta: Double
    private let width: Int

    /// - Parameter sizes: The checkpoint's configuration.
    /// - Throws: `export.tokenizer`.
    init(of checkpoint: Checkpoint, _ sizes: LlamaConfiguration, type: GGUFWeightType) throws {
        theta = sizes.rotary.theta
        width = sizes.headWidth
        func size(_ count: Int) -> GGUFValue { .u32(UInt32(clamping: count)) }
        var pairs: [(key: String, value: GGUFValue)] = [
            ("general.architecture", .string("llama")), ("general.type", .string("model")),
            ("general.name", .string(Self.name(of: checkpoint))), ("general.file_type", .u32(type.fileType)),
            ("general.quantization_version", .u32(2)),
            ("llama.vocab_size", size(sizes.vocabularySize)), ("llama.context_length", size(sizes.trainedPositions)),
            ("llama.embedding_length", size(sizes.hiddenSize)), ("llama.block_count", size(sizes.layerCount)),
            ("llama.feed_forward_length", size(sizes.intermediateSize)),
            ("llama.attention.head_count", size(sizes.headCount)),
            ("llama.attention.head_count_kv", size(sizes.keyValueHeadCount)),
            ("llama.attention.layer_norm_rms_epsilon", .f32(sizes.normEpsilon)),
            ("llama.rope.dimension_count", size(width)), ("llama.rope.freq_base", .f32(Float(theta))),
        ]
        if width * sizes.headCount != sizes.hiddenSize {
            pairs.append(("llama.attention.key_length", size(width)))
            pairs.append(("llama.attention.value_length", size(width)))
        }
        switch sizes.rotary.scaling {
        case .none: scaling = nil
        case .linear(let factor):
            scaling = nil
            pairs.append(("llama.rope.scaling.type", .string("linear")))
            pairs.append(("llama.rope.scaling.factor", .f32(Float(factor))))
        case .llama3(let factor, let lowFactor, let highFactor, let originalPositions):
            scaling = Llama3RotaryScaling(
                factor: factor, lowFrequencyFactor: lowFactor, highFrequencyFactor: highFactor,
                originalContextLength: originalPositions)
        }
        let tokenizer = try GGUFTokenizerMetadata(of: checkpoint, vocabulary: sizes.vocabularySize)
        self.pairs = pairs + tokenizer.pairs
        tokenizerNotes = tokenizer.notes
    }

    /// The divisors of the rotary frequencies as a tensor, for models that have some: [width / 2] f32.
    func rotaryFactors() throws -> (tensor: GGUFWriter.Tensor, bytes: [UInt8])? {
        guard let scaling, let shape = Shape([width / 2]) else { return nil }
        var bytes: [UInt8] = []
        for factor in scaling.factors(width: width, theta: theta) { bytes.appendLittleEndian(factor.bitPattern) }
        return (GGUFWriter.Tensor(name: LlamaTensorNames.rotaryFactors, type: .f32, shape: shape), bytes)
    }

    /// What the model calls itself, or the name of its folder.
    private static func name(of checkpoint: Checkpoint) -> String {
        let own = checkpoint.config?["_name_or_path"]?.string?.split(separator: "/").last.map(String.init)
        return own ?? checkpoint.path.lexicallyNormalized().lastComponent?.stem ?? "model"
    }
}
