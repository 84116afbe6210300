import Architectures
import Compute
import Container
import Storage
import Tensors

/// The weights of a LLaMA-family decoder under the names that Hugging Face gives them.
struct LlamaWeights: Sendable {
    /// One decoder layer.
    struct Layer: Sendable {
        let attentionNorm: Matrix  // [1, hidden]
        let queryKeyValue: Projection  // [heads * width, hidden], 2 x [key/value heads * width, hidden]
        let query: Projection  // the first of them alone
        let keyValue: Projection  // the others
        let attentionOutput: Projection  // [hidden, heads * width]
        let feedForwardNorm: Matrix  // [1, hidden]
        let gateUp: Projection  // 2 x [intermediate, hidden]
        let down: Projection  // [hidden, intermediate]
    }

    let embedding: WeightMatrix  // [vocabulary, hidden]
    let layers: [Layer]
    let finalNorm: Matrix  // [1, hidden]
    let output: Projection  // [vocabulary, hidden]

    static let embeddingName: TensorName = "model.embed_tokens.weight"
    static let outputName = TensorKind.outputName

    /// The matrices that a pass over the layers multiplies by, in its order.
    static func passOrder(_ configuration: LlamaConfiguration) -> [TensorName] {
        let matrices = ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"]
        let layers = (0..<configuration.layerCount).flatMap { layer in
            matrices.map { TensorName("model.layers.\(layer).\($0)_proj.weight") }
        }
        return layers + [configuration.tiesOutput ? embeddingName : outputName]
    }

    /// - Parameter residency: Where the bytes of the matrices come from.
    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ configuration: LlamaConfiguration, in container: Container, residency: WeightResidency = .mapped) throws {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let queryRows = configuration.headCount * configuration.headWidth
        let keyRows = configuration.keyValueHeadCount * configuration.headWidth
        func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
            try WeightMatrix(TensorName(name), shape: [rows, columns], in: container, residency: residency)
        }
        func norm(_ name: String) throws -> Matrix { try container.vector(TensorName(name), count: hidden) }
        embedding = try matrix("model.embed_tokens.weight", configuration.vocabularySize, hidden)
        var layers: [Layer] = []
        for index in 0..<configuration.layerCount {
            let prefix = "model.layers.\(index)"
            let (attention, feedForward) = (prefix + ".self_attn", prefix + ".mlp")
            let attentionNorm = try norm("\(prefix).input_layernorm.weight")
            let query = try matrix("\(attention).q_proj.weight", queryRows, hidden)
            let key = try matrix("\(attention).k_proj.weight", keyRows, hidden)
            let value = try matrix("\(attention).v_proj.weight", keyRows, hidden)
            layers.append(
                Layer(
                    attentionNorm: attentionNorm,
                    queryKeyValue: Projection(query, key, value), query: Projection(query),
                    keyValue: Projection(key, value),
                    attentionOutput: Projection(try matrix("\(attention).o_proj.weight", hidden, queryRows)),
                    feedForwardNorm: try norm("\(prefix).post_attention_layernorm.weight"),
                    gateUp: Projection(
                        try matrix("\(feedForward).gate_proj.weight", intermediate, hidden),
                        try matrix("\(feedForward).up_proj.weight", intermediate, hidden)),
                    down: Projection(try matrix("\(feedForward).down_proj.weight", hidden, intermediate))))
        }
        self.layers = layers
        finalNorm = try norm("model.norm.weight")
        output = Projection(
            configuration.tiesOutput
                ? embedding : try matrix(Self.outputName.rawValue, configuration.vocabularySize, hidden))
    }
}
