import Storage
import Tensors

/// The sizes and constants of a LLaMA-family decoder, from a Hugging Face `config.json`.
///
/// Every value is checked against the limits in `init(parsing:)`, so products of a few of them fit `Int`.
package struct LlamaConfiguration: Sendable, Hashable {
    /// The width of the residual stream.
    package let hiddenSize: Int
    /// The width inside the feed-forward network.
    package let intermediateSize: Int
    /// The number of decoder layers.
    package let layerCount: Int
    /// The number of query heads.
    package let headCount: Int
    /// The number of key/value heads; query heads share them evenly.
    package let keyValueHeadCount: Int
    /// The width of one head, an even number.
    package let headWidth: Int
    /// The number of rows of the embedding and of the output matrix.
    package let vocabularySize: Int
    /// What RMSNorm adds to the mean square.
    package let normEpsilon: Float
    /// The rotary embedding of positions.
    package let rotary: RotaryParameters
    /// The number of positions that the model was trained for.
    package let trainedPositions: Int
    /// The number of positions that a token was trained to attend to; nil if it attends to all.
    package let slidingWindow: Int?
    /// Whether the output matrix is the embedding matrix.
    package var tiesOutput: Bool
    /// BOS, the token that begins a text, if the configuration names one.
    package let bosToken: TokenID?
    /// EOS, the tokens that end a text.
    package let eosTokens: [TokenID]

    /// Reads a `config.json`.
    ///
    /// - Throws: `model.config` naming the member when a value is absent, out of range or contradicts another;
    ///   `model.unsupported` when the model's graph is not LLaMA's.
    package init(parsing json: JSONObject) throws {
        let reader = ConfigurationReader(json)
        try Self.checkArchitecture(json)
        hiddenSize = try reader.integer("hidden_size", in: 1...131_072)
        intermediateSize = try reader.integer("intermediate_size", in: 1...1_048_576)
        layerCount = try reader.integer("num_hidden_layers", in: 1...1024)
        headCount = try reader.integer("num_attention_heads", in: 1...1024)
        keyValueHeadCount = try reader.integer("num_key_value_heads", in: 1...1024, default: headCount)
        guard headCount % keyValueHeadCount == 0 else {
            throw reader.invalid("\(headCount) attention heads cannot share \(keyValueHeadCount) key/value heads")
        }
        if let width = json["head_dim"], width != .null {
            headWidth = try reader.integer("head_dim", in: 2...1024)
        } else {
            guard hiddenSize % headCount == 0 else {
                throw reader.invalid("hidden_size \(hiddenSize) cannot be divided among \(headCount) heads")
            }
            headWidth = hiddenSize / headCount
        }
        guard headWidth % 2 == 0, headWidth <= 1024 else {
            throw reader.invalid("heads of width \(headWidth) cannot be rotated: the width must be even, at most 1024")
        }
        vocabularySize = try reader.integer("vocab_size", in: 1...4_194_304)
        normEpsilon = Float(try reader.number("rms_norm_eps", in: 1e-20...1, default: 1e-6))
        trainedPositions = try reader.integer("max_position_embeddings", in: 1...1_073_741_824, default: 2048)
        slidingWindow = try Self.slidingWindow(reader, trainedPositions: trainedPositions)
        rotary = try RotaryParameters(reader, maximumPositions: trainedPositions)
        tiesOutput = try reader.bool("tie_word_embeddings", default: false)
        bosToken = try reader.tokens("bos_token_id").first
        eosTokens = try reader.tokens("eos_token_id")
    }

    /// The attention window; nil if it is switched off or covers the whole context.
    private static func slidingWindow(_ reader: ConfigurationReader, trainedPositions: Int) throws -> Int? {
        let window = try reader.integer("sliding_window", in: 1...1_073_741_824, default: trainedPositions)
        let layerTypes = try Set(reader.strings("layer_types"))
        if let other = layerTypes.subtracting(["full_attention", "sliding_attention"]).min() {
            throw unsupported("layer_types has \"\(other)\", which LLaMA's graph does not have")
        }
        guard try reader.bool("use_sliding_window", default: true), layerTypes != ["full_attention"] else { return nil }
        return window < trainedPositions ? window : nil
    }

    /// Throws unless the decoder's graph is LLaMA's. Families that use it under another name are accepted.
    private static func checkArchitecture(_ json: JSONObject) throws {
        let reader = ConfigurationReader(json)
        let type = try reader.string("model_type") ?? "llama"
        guard ["llama", "llava", "mistral"].contains(type) else {
            throw unsupported("model_type \"\(type)\" is not of the LLaMA family")
        }
        if let activation = try reader.string("hidden_act"), activation != "silu" {
            throw unsupported("hidden_act \"\(activation)\" is not LLaMA's \"silu\"")
        }
        for member in ["attention_bias", "mlp_bias", "rope_interleaved"]
        where try reader.bool(member, default: false) {
            throw unsupported("\(member) is set, which LLaMA's graph does not have")
        }
    }

    static func unsupported(_ what: String) -> PVITError {
        PVITError(.modelUnsupported, what, remedy: "use a LLaMA, Vicuna, LLaVA/PVIT or Mistral checkpoint")
    }
}
