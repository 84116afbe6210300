import Architectures
import Storage
import Tensors

/// The configuration of a LLaMA model in the metadata of a GGUF file, as `config.json`.
struct LlamaGGUFConfiguration {
    /// The number of query heads.
    let headCount: Int
    /// The number of key and value heads.
    let keyValueHeadCount: Int
    /// The maximum number of positions.
    let contextLength: Int
    /// The content of `config.json`.
    let config: JSONObject

    /// Reads the metadata of a model.
    ///
    /// - Parameters:
    ///   - file: The file with the metadata.
    ///   - files: All files with tensors.
    /// - Throws: `gguf.architecture` for anything but LLaMA without experts, `gguf.metadata` for an absent or wrong
    ///   value, `gguf.rotary-scaling`.
    init(_ file: GGUFFile, files: [GGUFFile]) throws {
        let tensors = files.flatMap(\.tensors)
        let metadata = Metadata(file: file)
        try Self.checkArchitecture(file)
        let hiddenSize = try metadata.size("embedding_length")
        headCount = try metadata.size("attention.head_count")
        keyValueHeadCount = try metadata.size("attention.head_count_kv", default: headCount)
        contextLength = try metadata.size("context_length")
        let layerCount = try metadata.size("block_count")
        let width = try metadata.size("attention.key_length", default: max(1, hiddenSize / headCount))
        let valueWidth = try metadata.size("attention.value_length", default: width)
        let rotaryWidth = try metadata.size("rope.dimension_count", default: width)
        guard valueWidth == width, rotaryWidth == width else {
            throw PVITError(
                .ggufArchitecture,
                "heads of \(width) key, \(valueWidth) value and \(rotaryWidth) rotary channels are not supported",
                file: file.path, remedy: "only models with the same number of each are supported")
        }
        let embedding = tensors.first { $0.name == LlamaTensorNames.embedding }
        let vocabulary =
            if let embedding, embedding.shape.rank == 2 { embedding.shape.rows } else {
                try metadata.size("vocab_size")
            }
        let theta = try metadata.number("rope.freq_base", default: 10000)
        var config: JSONObject = [
            "architectures": ["LlamaForCausalLM"], "model_type": "llama",
            "torch_dtype": .string(Self.floatType(of: tensors)), "hidden_act": "silu",
            "hidden_size": .integer(hiddenSize),
            "intermediate_size": .integer(try metadata.size("feed_forward_length")),
            "num_hidden_layers": .integer(layerCount), "num_attention_heads": .integer(headCount),
            "num_key_value_heads": .integer(keyValueHeadCount), "vocab_size": .integer(vocabulary),
            "max_position_embeddings": .integer(contextLength),
            "rms_norm_eps": .number(try metadata.number("attention.layer_norm_rms_epsilon")),
            "rope_theta": .number(theta),
            "tie_word_embeddings": .bool(!tensors.contains { $0.name == LlamaTensorNames.output }),
        ]
        let biased = tensors.map(\.name.rawValue).filter { $0.hasPrefix("blk.") && $0.hasSuffix(".bias") }
        config["attention_bias"] = .bool(biased.contains { $0.contains(bytesOf: ".attn_") })
        config["mlp_bias"] = .bool(biased.contains { $0.contains(bytesOf: ".ffn_") })
        if width * headCount != hiddenSize { config["head_dim"] = .integer(width) }
        let scaling = try Self.rotaryScaling(metadata, files, width: width, theta: theta)
        config["rope_scaling"] = scaling?.configuration.map { .object($0) }
        for (key, name) in [("bos", "bos"), ("eos", "eos"), ("padding", "pad")] {
            if let id = try file.integer("tokenizer.ggml.\(key)_token_id") {
                config["\(name)_token_id"] = .integer(id)
            }
        }
        if let name = try file.string("general.name") { config["_name_or_path"] = .string(name) }
        self.config = config
    }

    private static func checkArchitecture(_ file: GGUFFile) throws {
        guard let architecture = try file.string("general.architecture") else {
            throw PVITError(.ggufMetadata, "the file has no general.architecture", file: file.path)
        }
        guard architecture == "llama" else {
            throw PVITError(
                .ggufArchitecture, "models of the architecture \"\(architecture)\" are not supported", file: file.path,
                remedy: "only \"llama\" is supported")
        }
        if let experts = try file.integer("llama.expert_count"), experts > 0 {
            throw PVITError(
                .ggufArchitecture, "models with experts are not supported; this one has \(experts)", file: file.path)
        }
    }

    /// The name in `transformers` of the type that most elements have.
    private static func floatType(of tensors: [TensorDescription]) -> String {
        var sizes: [ElementType: Double] = [:]
        for tensor in tensors { sizes[tensor.elementType, default: 0] += Double(tensor.shape.elementCount) }
        switch sizes.max(by: { $0.value < $1.value })?.key {
        case .f16: return "float16"
        case .bf16: return "bfloat16"
        default: return "float32"
        }
    }

    private static func rotaryScaling(
        _ metadata: Metadata, _ files: [GGUFFile], width: Int, theta: Double
    ) throws -> RotaryParameters.Scaling? {
        for file in files {
            guard let tensor = file.tensor(named: LlamaTensorNames.rotaryFactors) else { continue }
            let bytes = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            guard tensor.elementType == .f32, tensor.shape.elementCount == width / 2 else {
                throw PVITError(
                    .ggufRotaryScaling, "the tensor is not a vector of \(width / 2) f32 numbers", file: file.path,
                    tensor: tensor.name)
            }
            let divisors = try (0..<width / 2).map {
                Float(bitPattern: try bytes.span.bytes.littleEndian(at: 4 * $0))
            }
            guard divisors.contains(where: { $0 != 1 }) else { return nil }
            guard let scaling = RotaryParameters.Scaling(divisors: divisors, theta: theta) else {
                throw PVITError(
                    .ggufRotaryScaling, "the divisors of the rotary frequencies are not those of LLaMA 3",
                    file: file.path, tensor: tensor.name)
            }
            return scaling
        }
        let file = metadata.file
        let type = try file.string("llama.rope.scaling.type") ?? "linear"
        guard let factor = try file.number("llama.rope.scaling.factor") ?? file.number("llama.rope.scale_linear"),
            type != "none", factor != 0, factor != 1
        else { return nil }
        guard type == "linear" else {
            throw PVITError(
                .ggufRotaryScaling, "rotary embeddings scaled by \"\(type)\" are not supported", file: file.path)
        }
        return .linear(factor: factor)
    }

    /// The keys below `llama.`.
    private struct Metadata {
        let file: GGUFFile
        /// The largest supported size.
        private static let maximumSize = 1 << 30

        init(file: GGUFFile) { self.file = file }

        func size(_ key: String, default fallback: Int? = nil) throws -> Int {
            let key = "llama.\(key)"
            guard let value = try file.integer(key) ?? fallback else {
                throw PVITError(.ggufMetadata, "the file has no \(key)", file: file.path)
            }
            guard (1...Self.maximumSize).contains(value) else {
                throw PVITError(.ggufMetadata, "\(key) is \(value), not from 1 to \(Self.maximumSize)", file: file.path)
            }
            return value
        }

        func number(_ key: String, default fallback: Double? = nil) throws -> Double {
            let key = "llama.\(key)"
            guard let value = try file.number(key) ?? fallback else {
                throw PVITError(.ggufMetadata, "the file has no \(key)", file: file.path)
            }
            guard value > 0 else { throw PVITError(.ggufMetadata, "\(key) is \(value), not positive", file: file.path) }
            return value
        }
    }
}
