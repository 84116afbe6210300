import Tensors

/// The tensors of CLIP's vision transformer, as the `transformers` library names them.
package struct CLIPVisionArchitecture: TowerTensors, Sendable {
    /// One layer.
    package struct Layer: Sendable {
        /// LayerNorm before attention: `[hidden]`.
        package let attentionNorm: WeightAndBias
        /// Queries: `[hidden, hidden]`.
        package let query: WeightAndBias
        /// Keys: `[hidden, hidden]`.
        package let key: WeightAndBias
        /// Values: `[hidden, hidden]`.
        package let value: WeightAndBias
        /// The output of attention: `[hidden, hidden]`.
        package let attentionOutput: WeightAndBias
        /// LayerNorm before the feed-forward network: `[hidden]`.
        package let feedForwardNorm: WeightAndBias
        /// `[intermediate, hidden]`.
        package let up: WeightAndBias
        /// `[hidden, intermediate]`.
        package let down: WeightAndBias

        init(_ prefix: String, _ configuration: CLIPVisionConfiguration) {
            let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
            func square(_ name: String) -> WeightAndBias {
                WeightAndBias(linear: "\(prefix).self_attn.\(name)", inputs: hidden, outputs: hidden)
            }
            attentionNorm = WeightAndBias(norm: "\(prefix).layer_norm1", width: hidden)
            query = square("q_proj")
            key = square("k_proj")
            value = square("v_proj")
            attentionOutput = square("out_proj")
            feedForwardNorm = WeightAndBias(norm: "\(prefix).layer_norm2", width: hidden)
            up = WeightAndBias(linear: "\(prefix).mlp.fc1", inputs: hidden, outputs: intermediate)
            down = WeightAndBias(linear: "\(prefix).mlp.fc2", inputs: intermediate, outputs: hidden)
        }

        /// The weights of the linear layers.
        var matrices: [ExpectedTensor] { [query, key, value, attentionOutput, up, down].map(\.weight) }

        var tensors: [ExpectedTensor] {
            [attentionNorm, query, key, value, attentionOutput, feedForwardNorm, up, down].flatMap(\.tensors)
        }
    }

    /// The embedding of the class token: `[hidden]`.
    package let classEmbedding: ExpectedTensor
    /// The kernels that embed patches: `[hidden, 3, patch, patch]`.
    package let patchEmbedding: ExpectedTensor
    /// The embeddings of the class token's and the patches' positions: `[1 + patches, hidden]`.
    package let positions: ExpectedTensor
    /// LayerNorm before the first layer: `[hidden]`.
    package let firstNorm: WeightAndBias
    /// All layers.
    package let layers: [Layer]
    /// LayerNorm after the last layer, which PVIT does not use: `[hidden]`.
    package let lastNorm: WeightAndBias

    /// The prefix of its tensors' names.
    package static let namePrefix = "vision_model."
    package static let kind = TowerKind.vision

    /// The tensors of a tower of these sizes.
    ///
    /// - Parameter prefix: Goes before all names, such as `vision_tower.` in a container.
    package init(_ configuration: CLIPVisionConfiguration, prefix: String = "") {
        let (root, hidden, patch) = (prefix + Self.namePrefix, configuration.hiddenSize, configuration.patchSize)
        classEmbedding = ExpectedTensor("\(root)embeddings.class_embedding", [hidden])
        patchEmbedding = ExpectedTensor("\(root)embeddings.patch_embedding.weight", [hidden, 3, patch, patch])
        positions = ExpectedTensor(
            "\(root)embeddings.position_embedding.weight", [1 + configuration.patchCount, hidden])
        // `transformers` misspells the name.
        firstNorm = WeightAndBias(norm: "\(root)pre_layrnorm", width: hidden)
        layers = (0..<configuration.layerCount).map { Layer("\(root)encoder.layers.\($0)", configuration) }
        lastNorm = WeightAndBias(norm: "\(root)post_layernorm", width: hidden)
    }

    package var tensors: [ExpectedTensor] {
        [classEmbedding, patchEmbedding, positions] + firstNorm.tensors + layers.flatMap(\.tensors) + lastNorm.tensors
    }

    package var quantizableTensors: [ExpectedTensor] {
        layers.flatMap(\.matrices).filter { TensorEncoding.q8.supports(columns: $0.shape[1]) }
    }
}
