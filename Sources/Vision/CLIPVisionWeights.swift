import Architectures
import Compute
import Container

/// The weights of a CLIP vision transformer in a container, by the names and shapes of `CLIPVisionArchitecture`.
struct CLIPVisionWeights: Sendable {
    struct Layer: Sendable {
        let attentionNorm: TowerNorm
        let query: TowerLinear
        let key: TowerLinear
        let value: TowerLinear
        let attentionOutput: TowerLinear
        let feedForwardNorm: TowerNorm
        let up: TowerLinear  // [intermediate, hidden]
        let down: TowerLinear  // [hidden, intermediate]
    }

    let classEmbedding: Matrix  // [1, hidden]
    let patchEmbedding: WeightMatrix  // [hidden, 3, patch, patch]
    let positions: Matrix  // [1 + patches, hidden]
    let firstNorm: TowerNorm
    /// All layers except the last one, whose output is not used.
    let layers: [Layer]

    /// - Throws: `tensor.not-found` and `tensor.mismatch`, naming the tensor that is missing or misshaped.
    init(_ configuration: CLIPVisionConfiguration, in container: Container) throws {
        let architecture = CLIPVisionArchitecture(configuration, prefix: CLIPVisionArchitecture.kind.prefix)
        func norm(_ norm: WeightAndBias) throws -> TowerNorm { try TowerNorm(norm, in: container) }
        func linear(_ linear: WeightAndBias) throws -> TowerLinear { try TowerLinear(linear, in: container) }
        classEmbedding = try container.vector(architecture.classEmbedding)
        patchEmbedding = try container.weights(architecture.patchEmbedding)
        positions = try container.weights(architecture.positions).decoded()
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
