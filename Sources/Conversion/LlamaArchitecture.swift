import Quantization
import Tensors

/// The tensors that a decoder of the LLaMA family consists of, by its `config.json`.
struct LlamaArchitecture {
    /// Name and shape of every tensor, in the order of a forward pass.
    let tensors: [(name: TensorName, shape: [Int])]
    /// Whether the output layer is the input embeddings.
    let isTied: Bool
    /// The sizes of a pass of a few tokens through the model.
    let probe: ProbeArchitecture
    /// The width of the residual stream.
    let hidden: Int
    /// The width inside the feed-forward network.
    let inner: Int
    /// The number of layers.
    let layers: Int
    /// The number of query heads.
    let heads: Int
    /// The number of key and value heads.
    let keyValueHeads: Int
    /// The number of channels of a head.
    let headWidth: Int
    /// The number of tokens.
    let vocabulary: Int

    /// Reads the sizes.
    ///
    /// - Throws: `checkpoint.config` naming the member that is absent or out of range, `checkpoint.unsupported-model` for decoders that are
    ///   computed differently.
    init(config: JSONObject) throws {
        try Self.checkSupported(config)
        hidden = try Self.size("hidden_size", of: config, atMost: 131_072)
        inner = try Self.size("intermediate_size", of: config, atMost: 1_048_576)
        layers = try Self.size("num_hidden_layers", of: config, atMost: 1024)
        heads = try Self.size("num_attention_heads", of: config, atMost: 1024)
        keyValueHeads = try Self.size("num_key_value_heads", of: config, atMost: 1024, default: heads)
        headWidth = try Self.size("head_dim", of: config, atMost: 1024, default: hidden / heads)
        vocabulary = try Self.size("vocab_size", of: config, atMost: 4_194_304)
        probe = ProbeArchitecture(
            hidden: hidden, inner: inner, layers: layers, heads: heads, keyValueHeads: keyValueHeads,
            headWidth: headWidth, vocabulary: vocabulary,
            ropeTheta: try Self.number("rope_theta", of: config, default: 10_000),
            normEpsilon: Float(try Self.number("rms_norm_eps", of: config, default: 1e-6)))
        isTied = config["tie_word_embeddings"]?.bool ?? false
        var tensors: [(name: TensorName, shape: [Int])] = [(TensorKind.embeddingName, [vocabulary, hidden])]
        let shapes = [
            "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
            "self_attn.q_proj": [heads * headWidth, hidden], "self_attn.k_proj": [keyValueHeads * headWidth, hidden],
            "self_attn.v_proj": [keyValueHeads * headWidth, hidden], "self_attn.o_proj": [hidden, heads * headWidth],
            "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden], "mlp.down_proj": [hidden, inner],
        ]
        for layer in 0..<layers {
            for part in TensorKind.layerParts {
                guard let shape = shapes[part] else { continue }
                tensors.append((TensorName("model.layers.\(layer).\(part).weight"), shape))
            }
        }
        tensors.append((TensorKind.finalNormName, [hidden]))
        if !isTied { tensors.append((TensorKind.outputName, [vocabulary, hidden])) }
        self.tensors = tensors
    }

    /// Throws unless a source has every tensor of the decoder in its shape, and beside them at most PVIT's projectors,
    /// what nobody reads, and the output layer of a tied model.
    ///
    /// - Throws: `checkpoint.tensors`, listing what is missing, misshaped or unexpected.
    func check(_ source: some Collection<TensorDescription>) throws {
        var rest = Dictionary(source.map { ($0.name, $0) }) { first, _ in first }
        var missing: [TensorName] = []
        var misshaped: [(tensor: TensorDescription, shape: [Int])] = []
        for (name, shape) in tensors {
            guard let tensor = rest.removeValue(forKey: name) else {
                missing.append(name)
                continue
            }
            if tensor.shape.dimensions != shape { misshaped.append((tensor, shape)) }
        }
        if isTied { rest[TensorKind.outputName] = nil }
        let unexpected = rest.keys.filter { name in
            let kind = TensorKind(name)
            return kind != .projector && kind != .unread
        }.sorted()
        var complaints: [String] = []
        if !missing.isEmpty { complaints.append("missing: \(missing.map(\.rawValue).listed())") }
        if !misshaped.isEmpty {
            let list = misshaped.map { "\($0.tensor.name) is \($0.tensor.shape), not \($0.shape)" }
            complaints.append("of another shape: \(list.listed())")
        }
        if !unexpected.isEmpty { complaints.append("unexpected: \(unexpected.map(\.rawValue).listed())") }
        guard !complaints.isEmpty else { return }
        let biases = unexpected.contains { $0.rawValue.hasSuffix("_proj.bias") }
        throw PVITError(
            biases ? .checkpointUnsupported : .checkpointTensors,
            "the tensors are not those of the model that config.json describes; " + complaints.joined(separator: "; "),
            tensor: missing.first ?? misshaped.first?.tensor.name ?? unexpected.first,
            remedy: biases
                ? "attention and feed-forward biases are not supported"
                : "check that the weights are complete and the config.json beside them is theirs")
    }

    private static func checkSupported(_ config: JSONObject) throws {
        func unsupported(_ what: String) -> PVITError {
            PVITError(.checkpointUnsupported, what, remedy: "only decoders of the LLaMA family are supported")
        }
        let type = config["model_type"]?.string ?? "llama"
        guard ["llama", "llava", "mistral"].contains(type) else {
            throw unsupported("a model of type \"\(type)\" is not of the LLaMA family")
        }
        if let activation = config["hidden_act"]?.string, activation != "silu" {
            throw unsupported("the activation function \"\(activation)\" is not LLaMA's \"silu\"")
        }
        for bias in ["attention_bias", "mlp_bias"] where config[bias]?.bool == true {
            throw unsupported("models with \(bias) are not supported")
        }
    }

    private static func number(_ key: String, of config: JSONObject, default fallback: Double) throws -> Double {
        guard let value = config[key], value != .null else { return fallback }
        guard let number = value.double, number.isFinite else {
            throw PVITError(.checkpointConfig, "\(key) in config.json is not a finite number")
        }
        return number
    }

    private static func size(
        _ key: String, of config: JSONObject, atMost limit: Int, default fallback: Int? = nil
    ) throws -> Int {
        let value = config[key].flatMap { $0 == .null ? nil : $0 }
        if value == nil, let fallback, fallback > 0 { return fallback }
        guard let number = value?.integer, (1...limit).contains(number) else {
            throw PVITError(.checkpointConfig, "\(key) in config.json is not a whole number from 1 to \(limit)")
        }
        return number
    }
}
