import Architectures
import Storage
import SystemPackage
import Tensors

/// The metadata of a GGUF file for a checkpoint, as llama.cpp's converter writes them.
package struct LlamaGGUFMetadata {
    /// Keys and values in the order of the file.
    package let pairs: [(key: String, value: GGUFValue)]
    /// The properties of the tokenizer that the file cannot express, a sentence for each.
    package let tokenizerNotes: [String]
    /// The divisors of LLaMA 3's rotary frequencies: [width / 2]; none for other models.
    private let divisors: [Float]

    /// - Parameter sizes: The checkpoint's configuration.
    /// - Throws: `export.tokenizer`.
    package init(of checkpoint: Checkpoint, _ sizes: LlamaConfiguration, type: GGUFWeightType) throws {
        let (rotary, width) = (sizes.rotary, sizes.headWidth)
        var divisors: [Float] = []
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
            ("llama.rope.dimension_count", size(width)), ("llama.rope.freq_base", .f32(Float(rotary.theta))),
        ]
        if width * sizes.headCount != sizes.hiddenSize {
            pairs.append(("llama.attention.key_length", size(width)))
            pairs.append(("llama.attention.value_length", size(width)))
        }
        switch rotary.scaling {
        case .none: break
        case .linear(let factor):
            pairs.append(("llama.rope.scaling.type", .string("linear")))
            pairs.append(("llama.rope.scaling.factor", .f32(Float(factor))))
        case .llama3: divisors = rotary.scaling.divisors(width: width, theta: rotary.theta)
        }
        self.divisors = divisors
        let tokenizer = try GGUFTokenizerMetadata(of: checkpoint, vocabulary: sizes.vocabularySize)
        self.pairs = pairs + tokenizer.pairs
        tokenizerNotes = tokenizer.notes
    }

    /// The divisors of the rotary frequencies as a tensor, [width / 2] f32; nil for models without scaling.
    package var rotaryFactors: (tensor: GGUFWriter.Tensor, bytes: [UInt8])? {
        guard !divisors.isEmpty, let shape = Shape([divisors.count]) else { return nil }
        var bytes: [UInt8] = []
        for divisor in divisors { bytes.appendLittleEndian(divisor.bitPattern) }
        return (GGUFWriter.Tensor(name: LlamaTensorNames.rotaryFactors, type: .f32, shape: shape), bytes)
    }

    /// The name in the configuration, or that of the folder.
    private static func name(of checkpoint: Checkpoint) -> String {
        let own = checkpoint.config?["_name_or_path"]?.string?.split(separator: "/").last.map(String.init)
        return own ?? checkpoint.path.lexicallyNormalized().lastComponent?.stem ?? "model"
    }
}
