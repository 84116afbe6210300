import Storage
import Tensors

/// The tensors that a decoder of the LLaMA family consists of, by its `config.json`.
package struct LlamaArchitecture {
    /// The sizes and constants.
    package let configuration: LlamaConfiguration
    /// Name and shape of every tensor, in the order of a forward pass.
    package let tensors: [(name: TensorName, shape: [Int])]
    /// Whether the output layer is the input embeddings.
    package var isTied: Bool { configuration.tiesOutput }

    /// Reads the sizes.
    ///
    /// - Throws: What `LlamaConfiguration.init(parsing:)` throws.
    package init(config: JSONObject) throws { self.init(try LlamaConfiguration(parsing: config)) }

    /// Lists the tensors of a model of some sizes.
    package init(_ configuration: LlamaConfiguration) {
        self.configuration = configuration
        let (hidden, inner) = (configuration.hiddenSize, configuration.intermediateSize)
        let queryRows = configuration.headCount * configuration.headWidth
        let keyRows = configuration.keyValueHeadCount * configuration.headWidth
        let vocabulary = configuration.vocabularySize
        var tensors: [(name: TensorName, shape: [Int])] = [(TensorKind.embeddingName, [vocabulary, hidden])]
        let shapes = [
            "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
            "self_attn.q_proj": [queryRows, hidden], "self_attn.k_proj": [keyRows, hidden],
            "self_attn.v_proj": [keyRows, hidden], "self_attn.o_proj": [hidden, queryRows],
            "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden], "mlp.down_proj": [hidden, inner],
        ]
        for layer in 0..<configuration.layerCount {
            for part in TensorKind.layerParts {
                guard let shape = shapes[part] else { continue }
                tensors.append((TensorName("model.layers.\(layer).\(part).weight"), shape))
            }
        }
        tensors.append((TensorKind.finalNormName, [hidden]))
        if !configuration.tiesOutput { tensors.append((TensorKind.outputName, [vocabulary, hidden])) }
        self.tensors = tensors
    }

    /// Throws unless a source has every tensor of the decoder in its shape, and beside them at most PVIT's projectors,
    /// what nobody reads, and the output layer of a tied model.
    ///
    /// - Throws: `checkpoint.tensors`, listing what is missing, misshaped or unexpected.
    package func check(_ source: some Collection<TensorDescription>) throws {
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
            biases ? .modelUnsupported : .checkpointTensors,
            "the tensors are not those of the model that config.json describes; " + complaints.joined(separator: "; "),
            tensor: missing.first ?? misshaped.first?.tensor.name ?? unexpected.first,
            remedy: biases
                ? "attention and feed-forward biases are not supported"
                : "check that the weights are complete and the config.json beside them is theirs")
    }
}
