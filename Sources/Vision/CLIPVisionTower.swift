import Architectures
import Compute
import Container
import Storage

/// The vision transformer of CLIP (arXiv 2103.00020, section 2.4; the architecture is that of arXiv 2010.11929 with a
/// norm before the first layer), up to its second to last hidden state, which LLaVA and PVIT use as image tokens.
package final class CLIPVisionTower {
    /// The sizes.
    package let configuration: CLIPVisionConfiguration
    private let weights: CLIPVisionWeights
    private let engine: ComputeEngine

    /// Opens the tower in a container. Weights are read when they are used.
    ///
    /// - Throws: `vision.config`, `vision.unsupported`, `tensor.not-found`, `tensor.mismatch`.
    package init(in container: Container, engine: ComputeEngine) throws {
        configuration = try CLIPVisionConfiguration(in: container)
        weights = try CLIPVisionWeights(configuration, in: container)
        self.engine = engine
    }

    /// The features of an image: the second to last hidden state without the class token.
    ///
    /// - Parameters:
    ///   - planes: Normalized pixels `[3, imageSize, imageSize]`.
    ///   - betweenLayers: Called after each layer. What it throws ends the computation.
    /// - Returns: `[patchCount, hiddenSize]`, patches row by row.
    /// - Throws: `vision.input` if the number of pixels is wrong; the errors of reading tiles.
    package func features(of planes: [Float], betweenLayers: () throws -> Void = {}) throws -> Matrix {
        try hiddenState(of: planes, after: weights.layers.count, betweenLayers: betweenLayers)
            .slice(1..<1 + configuration.patchCount)
    }

    /// Hidden state number `layerCount`: `[1 + patchCount, hiddenSize]`, the class token first.
    func hiddenState(
        of planes: [Float], after layerCount: Int, betweenLayers: () throws -> Void = {}
    ) throws -> Matrix {
        let x = try embed(planes)  // [tokens, hidden]
        let tokens = x.rows
        let normed = Matrix(rows: tokens, columns: configuration.hiddenSize)
        let query = Matrix(rows: tokens, columns: configuration.hiddenSize)
        let key = Matrix(rows: tokens, columns: configuration.hiddenSize)
        let value = Matrix(rows: tokens, columns: configuration.hiddenSize)
        let attended = normed
        let intermediate = Matrix(rows: tokens, columns: configuration.intermediateSize)

        try normalise(x, weights.firstNorm, into: x)
        for layer in weights.layers[..<layerCount] {
            try normalise(x, layer.attentionNorm, into: normed)
            try project(normed, layer.query, into: query)
            try project(normed, layer.key, into: key)
            try project(normed, layer.value, into: value)
            try engine.attend(
                query: query, key: key, value: value, positions: tokens, heads: configuration.headCount, into: attended)
            try project(attended, layer.attentionOutput, addedTo: x, into: x)

            try normalise(x, layer.feedForwardNorm, into: normed)
            try project(normed, layer.up, activation: .quickGELU, into: intermediate)
            try project(intermediate, layer.down, addedTo: x, into: x)
            try betweenLayers()
        }
        return x
    }

    /// The class token and the patches of the image, each with the embedding of its position: `[1 + patches, hidden]`.
    private func embed(_ planes: [Float]) throws -> Matrix {
        let side = configuration.imageSize
        guard planes.count == 3 * side * side else {
            throw PVITError(
                .visionInput, "\(planes.count) numbers are no image of 3 × \(side) × \(side) for the vision tower")
        }
        let image = FeatureMaps(planes: planes, height: side, width: side, channels: 3)
        let x = Matrix(rows: 1 + configuration.patchCount, columns: configuration.hiddenSize)
        let patches = 1..<x.rows
        for column in 0..<x.columns {
            x.start[column] = weights.classEmbedding.start[column] + weights.positions.start[column]
        }
        try engine.multiply(
            Im2Col(image, kernel: configuration.patchSize, stride: configuration.patchSize, padding: 0),
            weights.patchEmbedding, Epilogue(residual: weights.positions.slice(patches)), into: x.slice(patches))
        return x
    }

    private func normalise(_ x: Matrix, _ norm: TowerNorm, into result: Matrix) throws {
        try engine.layerNorm(
            x, weight: norm.weight, bias: norm.bias, epsilon: configuration.normEpsilon, into: result)
    }

    /// result = residual + activation(x weightᵀ + bias).
    private func project(
        _ x: Matrix, _ linear: TowerLinear, activation: Epilogue.Activation = .none,
        addedTo residual: Matrix? = nil, into result: Matrix
    ) throws {
        try engine.multiply(
            Im2Col(x), linear.weight, Epilogue(shift: linear.bias, residual: residual, activation: activation),
            into: result)
    }
}
