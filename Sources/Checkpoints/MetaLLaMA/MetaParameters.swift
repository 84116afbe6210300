import Architectures
import Storage
import SystemPackage
import Tensors

/// `params.json` of a Meta LLaMA folder.
struct MetaParameters {
    /// `dim`: the width of the residual stream.
    let hiddenSize: Int
    /// `n_layers`
    let layerCount: Int
    /// `n_heads`
    let headCount: Int
    /// `n_kv_heads`; by default `n_heads` (LLaMA 1, small LLaMA 2).
    let keyValueHeadCount: Int
    /// `vocab_size`; nil for -1, as in LLaMA 1 and 2, where the embeddings decide.
    let vocabularySize: Int?
    /// `norm_eps`
    let normEpsilon: Double
    /// `rope_theta`; by default 10000.
    let ropeTheta: Double
    /// `use_scaled_rope`: since LLaMA 3.1.
    let usesScaledRope: Bool
    /// `rope_scaling_factor` of newer files.
    let ropeScalingFactor: Double?
    /// `max_seq_len`, which some files have.
    let maximumSequenceLength: Int?

    /// The width of one attention head.
    var headWidth: Int { hiddenSize / headCount }

    /// Reads the file.
    ///
    /// - Throws: `meta.parameters`, a JSON error or a `file.*` error.
    init(path: FilePath) throws {
        do {
            let value = try JSONValue(parsing: SideFiles.read(path), dialect: .python)
            guard let object = (value["model"] ?? value).object else {
                throw PVITError(.metaParameters, "this is not a JSON object")
            }
            try self.init(object)
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }

    private init(_ object: JSONObject) throws {
        func optional(_ key: String) -> JSONValue? { object[key].flatMap { $0 == .null ? nil : $0 } }
        func size(_ key: String, atMost limit: Int, default fallback: Int? = nil) throws -> Int {
            let value = optional(key)
            if value == nil, let fallback { return fallback }
            guard let number = value?.integer, (1...limit).contains(number) else {
                throw PVITError(.metaParameters, "\(key) is not a whole number from 1 to \(limit)")
            }
            return number
        }
        func positive(_ key: String, default fallback: Double? = nil) throws -> Double {
            let value = optional(key)
            if value == nil, let fallback { return fallback }
            guard let number = value?.double, number > 0, number.isFinite else {
                throw PVITError(.metaParameters, "\(key) is not a positive number")
            }
            return number
        }
        hiddenSize = try size("dim", atMost: 131_072)
        layerCount = try size("n_layers", atMost: 1024)
        headCount = try size("n_heads", atMost: 1024)
        keyValueHeadCount = try size("n_kv_heads", atMost: 1024, default: headCount)
        guard hiddenSize % headCount == 0, hiddenSize / headCount % 2 == 0, headCount % keyValueHeadCount == 0 else {
            throw PVITError(
                .metaParameters,
                "dim \(hiddenSize), n_heads \(headCount) and n_kv_heads \(keyValueHeadCount) do not fit together")
        }
        vocabularySize =
            optional("vocab_size")?.integer == -1 || optional("vocab_size") == nil
            ? nil : try size("vocab_size", atMost: 4_194_304)
        normEpsilon = try positive("norm_eps")
        ropeTheta = try positive("rope_theta", default: 10_000)
        usesScaledRope = optional("use_scaled_rope")?.bool ?? false
        ropeScalingFactor = optional("rope_scaling_factor") == nil ? nil : try positive("rope_scaling_factor")
        maximumSequenceLength =
            optional("max_seq_len") == nil ? nil : try size("max_seq_len", atMost: 1 << 24)
    }

    /// The configuration as `config.json` of the `transformers` library.
    ///
    /// Follows `convert_llama_weights_to_hf.py`, but infers the generation of the model from its parameters.
    ///
    /// - Parameters:
    ///   - intermediateSize: The rows of `feed_forward.w1`.
    ///   - vocabularySize: The rows of the embeddings.
    func config(
        intermediateSize: Int, vocabularySize: Int, elementType: ElementType, isTied: Bool
    ) -> JSONObject {
        let hasThirdVocabulary = vocabularySize >= 128_000
        var config: JSONObject = [
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "hidden_size": .integer(hiddenSize), "intermediate_size": .integer(intermediateSize),
            "num_hidden_layers": .integer(layerCount), "num_attention_heads": .integer(headCount),
            "num_key_value_heads": .integer(keyValueHeadCount), "vocab_size": .integer(vocabularySize),
            "max_position_embeddings": .integer(maximumPositions), "rms_norm_eps": .number(normEpsilon),
            "rope_theta": .number(ropeTheta), "tie_word_embeddings": .bool(isTied), "use_cache": true,
            "bos_token_id": .integer(hasThirdVocabulary ? 128_000 : 1),
            // The end of a text, of a message and of a turn. Base models never write the last two.
            "eos_token_id": hasThirdVocabulary ? [128_001, 128_008, 128_009] : 2,
        ]
        let typeNames: [ElementType: String] = [.f16: "float16", .bf16: "bfloat16", .f32: "float32"]
        config["torch_dtype"] = typeNames[elementType].map { .string($0) }
        if usesScaledRope {
            let scaling = RotaryParameters.Scaling.llama3(
                factor: scalingFactor, lowFactor: 1, highFactor: 4, originalPositions: 8192)
            config["rope_scaling"] = scaling.configuration.map { .object($0) }
        }
        return config
    }

    /// 8 in LLaMA 3.1, 32 in the two small models of LLaMA 3.2.
    private var scalingFactor: Double { ropeScalingFactor ?? (hiddenSize < 4096 ? 32 : 8) }

    /// The positions that the model was trained for: 2048 in LLaMA 1, 4096 in LLaMA 2, 16384 in Code LLaMA, 8192 in
    /// LLaMA 3, 131072 since LLaMA 3.1.
    private var maximumPositions: Int {
        if let maximumSequenceLength { return maximumSequenceLength }
        if usesScaledRope { return 131_072 }
        if ropeTheta == 500_000 { return 8192 }
        if ropeTheta > 10_000 { return 16_384 }
        // LLaMA 1 has an epsilon of 1e-6, except for its largest model, which has no n_kv_heads, unlike LLaMA 2's.
        let isFirst = normEpsilon < 5e-6 || (hiddenSize == 8192 && keyValueHeadCount == headCount)
        return isFirst ? 2048 : 4096
    }
}
