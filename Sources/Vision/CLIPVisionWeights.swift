import Architectures
import Compute
import Container
import Tensors

/// The weights of a CLIP vision transformer under the names that Hugging Face gives them, after `vision_tower.`.
struct CLIPVisionWeights: Sendable {
    struct Norm: Sendable {
        let weight: Matrix  // [1, hidden]
        let bias: Matrix  // [1, hidden]
    }

    struct Linear: Sendable {
        let weight: WeightMatrix  // [outputs, inputs]
        let bias: Matrix  // [1, outputs]
    }

    struct Layer: Sendable {
        let attentionNorm: Norm
        let query: Linear
        let key: Linear
        let value: Linear
        let attentionOutput: Linear
        let feedForwardNorm: Norm
        let up: Linear  // [intermediate, hidden]
        let down: Linear  // [hidden, intermediate]
    }

    let classEmbedding: Matrix  // [1, hidden]
    let patchEmbedding: WeightMatrix  // [hidden, 3, patch, patch]
    let positions: Matrix  // [1 + patches, hidden]
    let firstNorm: Norm
    /// All layers but the last, whose output nobody reads.
    let layers: [Layer]

    /// - Throws: `tensor.not-found` and `tensor.mismatch` naming the tensor that the configuration asks for in vain.
    init(_ configuration: CLIPVisionConfiguration, in container: Container) throws {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let root = "vision_tower.vision_model"
        func norm(_ name: String) throws -> Norm {
            Norm(
                weight: try container.vector(TensorName("\(name).weight"), count: hidden),
                bias: try container.vector(TensorName("\(name).bias"), count: hidden))
        }
        func linear(_ name: String, _ outputs: Int, _ inputs: Int) throws -> Linear {
            Linear(
                weight: try WeightMatrix(TensorName("\(name).weight"), shape: [outputs, inputs], in: container),
                bias: try container.vector(TensorName("\(name).bias"), count: outputs))
        }
        classEmbedding = try container.vector(
            TensorName("\(root).embeddings.class_embedding"), count: hidden)
        patchEmbedding = try WeightMatrix(
            TensorName("\(root).embeddings.patch_embedding.weight"),
            shape: [hidden, 3, configuration.patchSize, configuration.patchSize], in: container)
        positions = try WeightMatrix(
            TensorName("\(root).embeddings.position_embedding.weight"),
            shape: [1 + configuration.patchCount, hidden], in: container
        ).decoded()
        // The name is misspelt in every checkpoint.
        firstNorm = try norm("\(root).pre_layrnorm")
        layers = try (0..<configuration.layerCount - 1).map { index in
            let prefix = "\(root).encoder.layers.\(index)"
            return Layer(
                attentionNorm: try norm("\(prefix).layer_norm1"),
                query: try linear("\(prefix).self_attn.q_proj", hidden, hidden),
                key: try linear("\(prefix).self_attn.k_proj", hidden, hidden),
                value: try linear("\(prefix).self_attn.v_proj", hidden, hidden),
                attentionOutput: try linear("\(prefix).self_attn.out_proj", hidden, hidden),
                feedForwardNorm: try norm("\(prefix).layer_norm2"),
                up: try linear("\(prefix).mlp.fc1", intermediate, hidden),
                down: try linear("\(prefix).mlp.fc2", hidden, intermediate))
        }
    }
}
