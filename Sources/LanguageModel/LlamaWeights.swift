import Architectures
import Compute
import Container

/// The weights of a LLaMA-family decoder, by the names and shapes of `LlamaArchitecture`.
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

    /// - Parameter residency: Where the bytes of the matrices come from.
    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ configuration: LlamaConfiguration, in container: Container, residency: WeightResidency = .mapped) throws {
        let architecture = LlamaArchitecture(configuration)
        func matrix(_ tensor: ExpectedTensor) throws -> WeightMatrix {
            try WeightMatrix(tensor.name, shape: tensor.shape, in: container, residency: residency)
        }
        func norm(_ tensor: ExpectedTensor) throws -> Matrix {
            try container.vector(tensor.name, count: configuration.hiddenSize)
        }
        embedding = try matrix(architecture.embedding)
        layers = try (0..<configuration.layerCount).map { layer in
            func weight(_ tensor: LlamaLayerTensor) throws -> WeightMatrix {
                try matrix(architecture.tensor(tensor, layer: layer))
            }
            let attentionNorm = try norm(architecture.tensor(.attentionNorm, layer: layer))
            let (query, key, value) = (try weight(.query), try weight(.key), try weight(.value))
            return Layer(
                attentionNorm: attentionNorm, queryKeyValue: Projection(query, key, value), query: Projection(query),
                keyValue: Projection(key, value), attentionOutput: Projection(try weight(.attentionOutput)),
                feedForwardNorm: try norm(architecture.tensor(.feedForwardNorm, layer: layer)),
                gateUp: Projection(try weight(.gate), try weight(.up)), down: Projection(try weight(.down)))
        }
        finalNorm = try norm(architecture.finalNorm)
        output = Projection(configuration.tiesOutput ? embedding : try matrix(architecture.output))
    }
}
