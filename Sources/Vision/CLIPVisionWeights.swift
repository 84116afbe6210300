import Architectures
import Compute
import Container

/// The weights of a CLIP vision transformer in a container, by the names and shapes of `CLIPVisionArchitecture`.
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
    /// All layers except the last one, whose output is not used.
    let layers: [Layer]

    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ configuration: CLIPVisionConfiguration, in container: Container) throws {
        let architecture = CLIPVisionArchitecture(configuration, prefix: CLIPVisionArchitecture.kind.prefix)
        func vector(_ tensor: ExpectedTensor) throws -> Matrix {
            try container.vector(tensor.name, count: tensor.shape[0])
        }
        func matrix(_ tensor: ExpectedTensor) throws -> WeightMatrix {
            try WeightMatrix(tensor.name, shape: tensor.shape, in: container)
        }
        func norm(_ norm: WeightAndBias) throws -> Norm {
            Norm(weight: try vector(norm.weight), bias: try vector(norm.bias))
        }
        func linear(_ linear: WeightAndBias) throws -> Linear {
            Linear(weight: try matrix(linear.weight), bias: try vector(linear.bias))
        }
        classEmbedding = try vector(architecture.classEmbedding)
        patchEmbedding = try matrix(architecture.patchEmbedding)
        positions = try matrix(architecture.positions).decoded()
        firstNorm = try norm(architecture.firstNorm)
        layers = try architecture.layers.dropLast().map { layer in
            Layer(
                attentionNorm: try norm(layer.attentionNorm), query: try linear(layer.query),
                key: try linear(layer.key), value: try linear(layer.value),
                attentionOutput: try linear(layer.attentionOutput), feedForwardNorm: try norm(layer.feedForwardNorm),
                up: try linear(layer.up), down: try linear(layer.down))
        }
    }
}
