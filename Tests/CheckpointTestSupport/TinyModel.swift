import Checkpoints
import Storage
import SystemPackage
import Tensors

/// A LLaMA decoder of a few kilobytes with repeatable weights.
public struct TinyModel {
    /// The sizes.
    public var hidden = 64, inner = 96, layers = 2, heads = 4, keyValueHeads = 2, vocabulary = 40
    /// Whether the output layer is the input embeddings.
    public var isTied = false
    /// Another number gives other weights.
    public var seed: UInt64 = 1
    /// What weights are multiplied by: matrices around 0, norms around 1.
    public var scale: (matrices: Float, norms: Float) = (0.05, 1)
    /// The type of the weights.
    package var type = ElementType.f16
    /// Tensors beside those of the decoder.
    public var extra: [(name: String, shape: [Int])] = []
    /// Members of config.json that replace or join the ordinary ones.
    package var config: JSONObject = [:]

    /// Creates a model of the ordinary size.
    public init() {}

    /// Creates a model of the ordinary size whose weights have another type.
    package init(type: ElementType) { self.type = type }

    /// Names and shapes in an order that is not that of a forward pass.
    public var shapes: [(name: String, shape: [Int])] {
        var result: [(String, [Int])] = isTied ? [] : [("lm_head.weight", [vocabulary, hidden])]
        for layer in (0..<layers).reversed() {
            let prefix = "model.layers.\(layer)."
            let keyValue = hidden / heads * keyValueHeads
            result += [
                (prefix + "mlp.down_proj.weight", [hidden, inner]), (prefix + "mlp.gate_proj.weight", [inner, hidden]),
                (prefix + "mlp.up_proj.weight", [inner, hidden]), (prefix + "input_layernorm.weight", [hidden]),
                (prefix + "self_attn.k_proj.weight", [keyValue, hidden]),
                (prefix + "self_attn.o_proj.weight", [hidden, hidden]),
                (prefix + "self_attn.q_proj.weight", [hidden, hidden]),
                (prefix + "self_attn.v_proj.weight", [keyValue, hidden]),
                (prefix + "post_attention_layernorm.weight", [hidden]),
            ]
        }
        return result + [("model.norm.weight", [hidden]), ("model.embed_tokens.weight", [vocabulary, hidden])] + extra
    }

    /// config.json.
    package var configuration: JSONObject {
        var result: JSONObject = [
            "model_type": "llama", "hidden_size": .integer(hidden), "intermediate_size": .integer(inner),
            "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads),
            "num_key_value_heads": .integer(keyValueHeads), "vocab_size": .integer(vocabulary),
            "tie_word_embeddings": .bool(isTied), "rms_norm_eps": 1e-5,
        ]
        for member in config.members { result[member.key] = member.value }
        return result
    }

    /// The weights in memory.
    public func source() throws -> ArraySource {
        try ArraySource(
            shapes.map { tensor in
                let isNorm = tensor.name.hasSuffix("norm.weight")
                var state = tensor.name.utf8.reduce(seed &* 0x9E37_79B9_7F4A_7C15) {
                    ($0 ^ UInt64($1)) &* 0x100_0000_01B3
                }
                let values = (0..<tensor.shape.reduce(1, *)).map { _ -> Float in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    let uniform = Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
                    return isNorm ? scale.norms * (1 + 0.1 * uniform) : scale.matrices * uniform
                }
                return (tensor.name, type, tensor.shape, packed(values, type))
            })
    }

    /// The model with its configuration and a placeholder for its tokenizer.
    package func checkpoint() throws -> Checkpoint {
        try Checkpoint(
            path: "tiny", format: "memory", weights: source(),
            sideFiles: SideFiles([
                SideFiles.config: JSONValue.object(configuration).encoded(),
                SideFiles.tokenizerJSON: Array("{\"seed\":\(seed)}".utf8),
            ]), sourceFiles: [])
    }
}

/// Numbers as f32, f16 or bf16, rounded to nearest even.
package func packed(_ values: [Float], _ type: ElementType) -> [UInt8] {
    switch type {
    case .f16: values.map { Float16($0).bitPattern.littleEndian }.withUnsafeBytes(Array.init)
    case .bf16:
        values.map { value in
            let bits = value.bitPattern
            return UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).littleEndian
        }.withUnsafeBytes(Array.init)
    default: values.map(\.bitPattern.littleEndian).withUnsafeBytes(Array.init)
    }
}

/// Packed f32, f16 or bf16 numbers.
package func unpacked(_ bytes: [UInt8], _ type: ElementType) -> [Float] {
    func integers<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type) -> [Integer] {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: MemoryLayout<Integer>.size).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: type).littleEndian
            }
        }
    }
    switch type {
    case .f16: return integers(UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case .bf16: return integers(UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    default: return integers(UInt32.self).map(Float.init(bitPattern:))
    }
}

extension Checkpoint {
    /// The same checkpoint with other weights or another configuration.
    package func with(weights: (any TensorSource)? = nil, config: JSONObject? = nil) throws -> Checkpoint {
        var files = sideFiles
        if let config { files[SideFiles.config] = JSONValue.object(config).encoded() }
        return try Checkpoint(
            path: path, format: format, weights: weights ?? self.weights, sideFiles: files, sourceFiles: sourceFiles)
    }
}
