import Architectures
import Container
import Tensors

/// The weights of a LLaMA-family decoder under the names that Hugging Face gives them.
struct LlamaWeights: Sendable {
    /// One decoder layer.
    struct Layer: Sendable {
        let attentionNorm: [Float]  // [hidden]
        let queryKeyValue: Projection  // [heads * width, hidden], 2 x [key/value heads * width, hidden]
        let query: Projection  // the first of them alone
        let keyValue: Projection  // the others
        let attentionOutput: Projection  // [hidden, heads * width]
        let feedForwardNorm: [Float]  // [hidden]
        let gateUp: Projection  // 2 x [intermediate, hidden]
        let down: Projection  // [hidden, intermediate]
    }

    let embedding: WeightMatrix  // [vocabulary, hidden]
    let layers: [Layer]
    let finalNorm: [Float]  // [hidden]
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

    /// - Parameter stream: Brings the weights when memory is short.
    /// - Throws: `tensor.not-found` and `tensor.mismatch` naming the tensor that the configuration asks for in vain.
    init(_ configuration: LlamaConfiguration, in container: Container, stream: WeightStream? = nil) throws {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let queryRows = configuration.headCount * configuration.headWidth
        let keyRows = configuration.keyValueHeadCount * configuration.headWidth
        func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
            try WeightMatrix(TensorName(name), shape: [rows, columns], in: container, stream: stream)
        }
        let scratch = TileScratch()
        embedding = try matrix("model.embed_tokens.weight", configuration.vocabularySize, hidden)
        var layers: [Layer] = []
        for index in 0..<configuration.layerCount {
            let prefix = "model.layers.\(index)"
            let (attention, feedForward) = (prefix + ".self_attn", prefix + ".mlp")
            let attentionNorm = try container.vector("\(prefix).input_layernorm.weight", count: hidden, scratch)
            let query = try matrix("\(attention).q_proj.weight", queryRows, hidden)
            let key = try matrix("\(attention).k_proj.weight", keyRows, hidden)
            let value = try matrix("\(attention).v_proj.weight", keyRows, hidden)
            layers.append(
                Layer(
                    attentionNorm: attentionNorm,
                    queryKeyValue: Projection(query, key, value), query: Projection(query),
                    keyValue: Projection(key, value),
                    attentionOutput: Projection(try matrix("\(attention).o_proj.weight", hidden, queryRows)),
                    feedForwardNorm: try container.vector(
                        "\(prefix).post_attention_layernorm.weight", count: hidden, scratch),
                    gateUp: Projection(
                        try matrix("\(feedForward).gate_proj.weight", intermediate, hidden),
                        try matrix("\(feedForward).up_proj.weight", intermediate, hidden)),
                    down: Projection(try matrix("\(feedForward).down_proj.weight", hidden, intermediate))))
        }
        self.layers = layers
        finalNorm = try container.vector("model.norm.weight", count: hidden, scratch)
        output = Projection(
            configuration.tiesOutput
                ? embedding : try matrix(Self.outputName.rawValue, configuration.vocabularySize, hidden))
    }
}

extension Container {
    /// A vector of floats of any type, widened to float32.
    ///
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when it does not have `count` elements or they are not
    ///   floats.
    func vector(_ text: String, count: Int, _ scratch: TileScratch) throws -> [Float] {
        let name = TensorName(text)
        guard let tensor = try tensor(named: name) else {
            throw PVITError(.tensorNotFound, "the model lacks a tensor", tensor: name)
        }
        guard tensor.shape.dimensions == [count] else {
            throw PVITError(
                .tensorMismatch,
                "the shape is \(tensor.shape), and the model's configuration asks for [\(count)]", tensor: name)
        }
        var result: [Float] = []
        result.reserveCapacity(count)
        for index in 0..<tensor.tileCount {
            try withTile(index, of: tensor, scratch: scratch) { bytes, _ in
                switch tensor.encoding {
                case .plain(.f32):
                    for offset in stride(from: 0, to: bytes.byteCount, by: 4) {
                        result.append(Float(bitPattern: try bytes.littleEndian(at: offset)))
                    }
                case .plain(.f16):
                    for offset in stride(from: 0, to: bytes.byteCount, by: 2) {
                        result.append(Float(halfBits: try bytes.littleEndian(at: offset)))
                    }
                case .plain(.bf16):
                    for offset in stride(from: 0, to: bytes.byteCount, by: 2) {
                        let bits: UInt16 = try bytes.littleEndian(at: offset)
                        result.append(Float(bitPattern: UInt32(bits) << 16))
                    }
                default:
                    throw PVITError(.tensorMismatch, "a vector of type \(tensor.encoding) is no floats", tensor: name)
                }
            }
        }
        guard result.count == count else {
            throw PVITError(.tensorMismatch, "the tiles do not hold all elements", tensor: name)
        }
        return result
    }
}

extension Float {
    /// The value of a binary16 pattern.
    fileprivate init(halfBits bits: UInt16) {
        let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
        let magnitude: Float =
            switch exponent {
            case 0: fraction * 0x1p-24
            case 31: fraction == 0 ? .infinity : .nan
            // The same exponent by the bias of 127 instead of 15.
            default: Float(bitPattern: UInt32(bits & 0x7FFF) << 13 + 112 << 23)
            }
        self = bits & 0x8000 == 0 ? magnitude : -magnitude
    }
}
