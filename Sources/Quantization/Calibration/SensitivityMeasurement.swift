import Architectures
import CKernels
import LinearAlgebra
import Parallelism
import Storage
import Tensors

/// Measures how much the output of a model changes when one of its matrices is rounded to q4.
///
/// A sample of tokens passes through the model once as it is, and once for each matrix with that matrix rounded. All
/// passes advance together, one layer after another, so each weight is read once. The divergence of a pass is the mean
/// over tokens of KL(P || Q), where P are the probabilities of the next token in the model and Q those in the pass. To
/// second order, that is half the variance under P of the change of the logits. Divergences of several matrices are
/// nearly additive (linearity theorem of HIGGS, arXiv 2411.17525), so they tell where more bits gain most.
///
/// Memory holds the residual stream of every pass, and one layer's weights.
package struct SensitivityMeasurement {
    /// A pass with one matrix rounded.
    private struct Pass {
        let rounded: TensorName
        /// The residual stream: [tokens, hidden].
        let states: DenseMatrix<Float>
    }

    private let configuration: LlamaConfiguration
    private let tokens: CalibrationTokens
    private let outputName: TensorName
    private let reader: WeightReader
    private let algebra: LinearAlgebra
    private let forward: LayerForward
    private let rounding: MatrixRounding

    /// Prepares a measurement.
    ///
    /// - Parameters:
    ///   - outputName: The output matrix: the embeddings if they are tied.
    ///   - pool: The threads that compute, and whose checkpoint can end the work.
    ///   - reader: Reads embeddings, norms and matrices; must be safe to call from any thread.
    /// - Throws: `calibrate.no-openblas` without OpenBLAS, `quantize.shape` for sizes that cannot be computed,
    ///   `quantize.calibration` for tokens without embeddings.
    package init(
        _ configuration: LlamaConfiguration, tokens: CalibrationTokens, outputName: TensorName, pool: ThreadPool,
        reader: @escaping WeightReader
    ) throws {
        try configuration.requireMeasurable(tokens)
        self.configuration = configuration
        self.tokens = tokens
        self.outputName = outputName
        self.reader = reader
        algebra = try LinearAlgebra(pool: pool)
        let kernels = pvit_kernels_best().pointee
        forward = LayerForward(configuration, length: tokens.length, algebra, kernels: kernels)
        rounding = MatrixRounding(pool: pool, kernels: kernels)
    }

    /// The approximate memory that a measurement needs, in bytes.
    package static func byteCount(
        _ configuration: LlamaConfiguration, tokenCount: Int, matrixCount: Int
    ) -> UInt64 {
        let layer = LayerStage.allCases.flatMap { stage in
            configuration.rows(of: stage).map { UInt64($0) * UInt64(configuration.columns(of: stage)) }
        }
        let inner = max(configuration.intermediateSize, configuration.headCount * configuration.headWidth)
        let weights = layer.reduce(0, +) + (layer.max() ?? 0)
        let states = UInt64(matrixCount + 2) * UInt64(tokenCount) * UInt64(configuration.hiddenSize)
        return 4 * (weights + states + UInt64(tokenCount) * UInt64(6 * inner + OutputDivergence.rowsAtOnce))
    }

    /// The divergence, in nats, that each of some matrices causes when it alone is rounded to q4.
    ///
    /// - Parameters:
    ///   - names: Matrices of layers, the embeddings, the output matrix. Others are left out of the result.
    ///   - progress: Called with the share of the work that is done.
    /// - Throws: `quantize.not-finite` for weights, `quantize.calibration` for activations that are too large,
    ///   `memory.exhausted`, and what the reader and the pool's checkpoint throw.
    package func divergences(
        of names: Set<TensorName>, progress: (_ share: Double) throws -> Void = { _ in }
    ) throws -> [TensorName: Double] {
        let original = try embeddings { $0 }
        var passes: [Pass] = []
        if names.contains(TensorKind.embeddingName) {
            passes.append(
                Pass(
                    rounded: TensorKind.embeddingName,
                    states: try embeddings { try rounding.q4($0, importance: nil) }))
        }
        for layer in 0..<configuration.layerCount {
            passes += try advance(passes, original, through: layer, rounding: names)
            // A later layer is computed for more passes.
            let done = Double(layer + 1) / Double(configuration.layerCount)
            try progress(0.9 * done * done)
        }
        let norm = try read(
            0..<configuration.hiddenSize, of: TensorKind.finalNormName, count: configuration.hiddenSize, by: reader)
        func normalized(_ states: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
            try forward.normalized(states, 0..<states.rows, by: norm)
        }
        var result = OutputDivergence(
            original: try normalized(original), vocabularySize: configuration.vocabularySize, algebra)
        for pass in passes { result.add(try normalized(pass.states), of: pass.rounded) }
        return try result.divergences(
            outputName: outputName, isRounded: names.contains(outputName), rounding: rounding, reader: reader)
    }

    /// [tokens, hidden]: the embeddings of the sample.
    ///
    /// - Parameter transform: Changes the rows [distinct tokens, hidden].
    private func embeddings(
        _ transform: (DenseMatrix<Float>) throws -> DenseMatrix<Float>
    ) throws -> DenseMatrix<Float> {
        let distinct = Array(Set(tokens.ids)).sorted()
        let rows = try DenseMatrix<Float>(rows: distinct.count, columns: configuration.hiddenSize)
        for (index, token) in distinct.enumerated() {
            let row = try read(
                token..<token + 1, of: TensorKind.embeddingName, count: configuration.hiddenSize, by: reader)
            rows.row(index).update(from: row, count: row.count)
        }
        let transformed = try transform(rows)
        let index = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, $0) })
        let result = try DenseMatrix<Float>(rows: tokens.ids.count, columns: configuration.hiddenSize)
        for (position, token) in tokens.ids.enumerated() {
            result.row(position).update(from: transformed.row(index[token] ?? 0), count: configuration.hiddenSize)
        }
        return result
    }

    /// Advances all passes through a layer, and begins one for each of its matrices that is to be rounded.
    ///
    /// - Returns: The new passes.
    private func advance(
        _ passes: [Pass], _ original: DenseMatrix<Float>, through number: Int, rounding names: Set<TensorName>
    ) throws -> [Pass] {
        let layer = try Layer(
            LayerWeights(number: number, configuration, reader: reader, pool: algebra.pool), forward, algebra)
        for pass in passes {
            let attended = try layer.attended(pass.states)
            try layer.add(attended, layer.attentionOutput, to: pass.states)
            try layer.addNetwork(to: pass.states)
        }
        var begun: [Pass] = []
        /// Begins passes that continue from a copy of the original states.
        func begin(
            _ stage: LayerStage, _ matrices: [DenseMatrix<Float>], _ inputs: DenseMatrix<Float>,
            _ finish: (_ index: Int, _ rounded: DenseMatrix<Float>, _ states: DenseMatrix<Float>) throws -> Void
        ) throws {
            let importance = try Self.meanSquares(of: inputs)
            for (index, matrix) in matrices.enumerated() {
                let name = layer.weights.name(stage.matrices[index])
                guard names.contains(name) else { continue }
                let rounded = try located(tensor: name) { try rounding.q4(matrix, importance: importance) }
                let states = try original.copy(of: 0..<original.rows)
                try finish(index, rounded, states)
                begun.append(Pass(rounded: name, states: states))
            }
        }

        var inputs = try layer.attentionInputs(original)
        let projections = try layer.projections.map { try algebra.product(inputs, $0) }
        try begin(.attentionInput, layer.projections, inputs) { index, rounded, states in
            var changed = projections
            changed[index] = try algebra.product(inputs, rounded)
            try layer.add(layer.attended(changed), layer.attentionOutput, to: states)
            try layer.addNetwork(to: states)
        }
        let attended = try layer.attended(projections)
        try begin(.attentionOutput, [layer.attentionOutput], attended) { _, rounded, states in
            try layer.add(attended, rounded, to: states)
            try layer.addNetwork(to: states)
        }
        try layer.add(attended, layer.attentionOutput, to: original)

        inputs = try layer.networkInputs(original)
        let network = try layer.network.map { try algebra.product(inputs, $0) }
        try begin(.feedForwardInput, layer.network, inputs) { index, rounded, states in
            var changed = network
            changed[index] = try algebra.product(inputs, rounded)
            try layer.add(layer.activated(changed), layer.networkOutput, to: states)
        }
        let activated = try layer.activated(network)
        try begin(.feedForwardOutput, [layer.networkOutput], activated) { _, rounded, states in
            try layer.add(activated, rounded, to: states)
        }
        try layer.add(activated, layer.networkOutput, to: original)
        return begun
    }

    /// [columns]: the mean over tokens of the squares of activations [tokens, columns].
    private static func meanSquares(of activations: DenseMatrix<Float>) throws -> [Float] {
        var sums = [Float](repeating: 0, count: activations.columns)
        for token in 0..<activations.rows {
            let row = activations.row(token)
            for column in sums.indices { sums[column] += row[column] * row[column] }
        }
        guard sums.allSatisfy(\.isFinite) else { throw ErrorFeedback.activationsTooLarge }
        return sums.map { $0 / Float(activations.rows) }
    }
}

/// A layer with its weights in memory.
private struct Layer {
    let weights: LayerWeights
    let projections: [DenseMatrix<Float>]
    let attentionOutput: DenseMatrix<Float>
    let network: [DenseMatrix<Float>]
    let networkOutput: DenseMatrix<Float>
    private let attentionNorm: [Float]
    private let networkNorm: [Float]
    private let forward: LayerForward
    private let algebra: LinearAlgebra

    init(_ weights: LayerWeights, _ forward: LayerForward, _ algebra: LinearAlgebra) throws {
        self.weights = weights
        self.forward = forward
        self.algebra = algebra
        projections = try (0..<3).map { try weights.matrix($0, of: .attentionInput) }
        attentionOutput = try weights.matrix(0, of: .attentionOutput)
        network = try (0..<2).map { try weights.matrix($0, of: .feedForwardInput) }
        networkOutput = try weights.matrix(0, of: .feedForwardOutput)
        attentionNorm = try weights.norm("input_layernorm")
        networkNorm = try weights.norm("post_attention_layernorm")
    }

    func attentionInputs(_ states: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
        try forward.normalized(states, 0..<states.rows, by: attentionNorm)
    }

    func networkInputs(_ states: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
        try forward.normalized(states, 0..<states.rows, by: networkNorm)
    }

    func attended(_ states: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
        let inputs = try attentionInputs(states)
        return try attended(projections.map { try algebra.product(inputs, $0) })
    }

    /// The outputs of attention for queries, keys and values, which stay as they are.
    func attended(_ products: [DenseMatrix<Float>]) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: products[0].rows, columns: attentionOutput.columns)
        try forward.attend(
            queries: products[0].copy(of: 0..<products[0].rows), keys: products[1].copy(of: 0..<products[1].rows),
            values: products[2], into: result, from: 0)
        return result
    }

    /// swiglu of the products of gate and up.
    func activated(_ products: [DenseMatrix<Float>]) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: products[0].rows, columns: products[0].columns)
        try forward.activate(gates: products[0], ups: products[1], into: result, from: 0)
        return result
    }

    /// Adds inputs matrixᵀ to the states.
    func add(_ inputs: DenseMatrix<Float>, _ matrix: DenseMatrix<Float>, to states: DenseMatrix<Float>) throws {
        try forward.add(algebra.product(inputs, matrix), to: states, from: 0)
    }

    /// Adds the outputs of the feed-forward network to the states.
    func addNetwork(to states: DenseMatrix<Float>) throws {
        let inputs = try networkInputs(states)
        try add(activated(network.map { try algebra.product(inputs, $0) }), networkOutput, to: states)
    }
}
