import Architectures
import Checkpoints
import Tensors

/// The metadata of a GGUF file for a checkpoint, as llama.cpp's own converter writes them.
struct GGUFModelMetadata {
    /// Keys and values in the order of the file.
    let pairs: [(key: String, value: GGUFValue)]
    private let scaling: Llama3RotaryScaling?
    private let theta: Double
    private let width: Int

    /// - Throws: `checkpoint.config`, `checkpoint.unsupported-model`, `export.tokenizer`.
    init(of checkpoint: Checkpoint, type: GGUFWeightType) throws {
        guard let config = checkpoint.config else { throw PVITError(.checkpointConfig, "there is no config.json") }
        let sizes = try LlamaConfiguration(parsing: config)
        // Since version 5, `transformers` keeps all that belongs to rotary embeddings together.
        let rotary = config["rope_parameters"]?.object ?? config["rope_scaling"]?.object
        theta = try Self.number(
            config["rope_theta"] ?? rotary?["rope_theta"], "rope_theta", default: 10000)
        width = sizes.headWidth
        let epsilon = try Self.number(config["rms_norm_eps"], "rms_norm_eps", default: 1e-6)
        let context = try Self.number(
            config["max_position_embeddings"], "max_position_embeddings", default: 2048)
        func size(_ count: Int) -> GGUFValue { .u32(UInt32(clamping: count)) }
        var pairs: [(key: String, value: GGUFValue)] = [
            ("general.architecture", .string("llama")), ("general.type", .string("model")),
            ("general.name", .string(Self.name(of: checkpoint))), ("general.file_type", .u32(type.fileType)),
            ("general.quantization_version", .u32(2)),
            ("llama.vocab_size", size(sizes.vocabularySize)), ("llama.context_length", size(Int(context))),
            ("llama.embedding_length", size(sizes.hiddenSize)), ("llama.block_count", size(sizes.layerCount)),
            ("llama.feed_forward_length", size(sizes.intermediateSize)),
            ("llama.attention.head_count", size(sizes.headCount)),
            ("llama.attention.head_count_kv", size(sizes.keyValueHeadCount)),
            ("llama.attention.layer_norm_rms_epsilon", .f32(Float(epsilon))),
            ("llama.rope.dimension_count", size(width)), ("llama.rope.freq_base", .f32(Float(theta))),
        ]
        if width * sizes.headCount != sizes.hiddenSize {
            pairs.append(("llama.attention.key_length", size(width)))
            pairs.append(("llama.attention.value_length", size(width)))
        }
        switch (rotary?["rope_type"] ?? rotary?["type"])?.string {
        case nil, "default":
            scaling = nil
        case "linear":
            scaling = nil
            pairs.append(("llama.rope.scaling.type", .string("linear")))
            pairs.append(
                ("llama.rope.scaling.factor", .f32(Float(try Self.number(rotary?["factor"], "rope_scaling.factor")))))
        case "llama3":
            guard let known = rotary.flatMap(Llama3RotaryScaling.init(configuration:)) else {
                throw PVITError(.checkpointConfig, "rope_scaling in config.json lacks a number or has a wrong one")
            }
            scaling = known
        case let other?:
            throw PVITError(
                .modelUnsupported, "rotary embeddings scaled by \"\(other)\" are not supported",
                file: checkpoint.path)
        }
        self.pairs = try pairs + GGUFTokenizerMetadata(of: checkpoint, vocabulary: sizes.vocabularySize).pairs
    }

    /// The divisors of the rotary frequencies as a tensor, for models that have some: [width / 2] f32.
    func rotaryFactors() throws -> (tensor: GGUFWriter.Tensor, bytes: [UInt8])? {
        guard let scaling, let shape = Shape([width / 2]) else { return nil }
        var bytes: [UInt8] = []
        for factor in scaling.factors(width: width, theta: theta) { bytes.appendLittleEndian(factor.bitPattern) }
        return (GGUFWriter.Tensor(name: LlamaTensorNames.rotaryFactors, type: .f32, shape: shape), bytes)
    }

    private static func number(_ value: JSONValue?, _ key: String, default fallback: Double? = nil) throws -> Double {
        if value == nil || value == .null, let fallback { return fallback }
        guard let number = value?.double, number > 0, number < 1e9 else {
            throw PVITError(.checkpointConfig, "\(key) in config.json is not a positive number")
        }
        return number
    }

    /// What the model calls itself, or the name of its folder.
    private static func name(of checkpoint: Checkpoint) -> String {
        let own = checkpoint.config?["_name_or_path"]?.string?.split(separator: "/").last.map(String.init)
        return own ?? checkpoint.path.lexicallyNormalized().lastComponent?.stem ?? "model"
    }
}
