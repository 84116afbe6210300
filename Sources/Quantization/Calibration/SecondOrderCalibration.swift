import Architectures
import CKernels
import LinearAlgebra
import Parallelism
import Storage
import Tensors

/// Quantizes the layers of a model one after another, so that each matrix makes up for the errors of the layers before
/// it, and each of its columns for the rounding of the columns before it.
///
/// A sample of tokens passes through two models: the one whose earlier layers are quantized, and the original one.
/// Every matrix is encoded with `ErrorFeedback` for the inputs x that it gets in the first, and towards the outputs
/// that it has in the second. With the inputs y and the residual streams r and s of both models, least squares gives
/// the weights w + (w sum (y - x) xᵀ + sum (s - r) xᵀ) H⁻¹ to approximate, H = sum x xᵀ (GPTAQ, arXiv 2504.02692;
/// Qronos, arXiv 2505.11695; the residual streams only where outputs are added to them). The change is shrunk, because
/// it fits the sample better than other texts: the diagonal of H grows as in `ErrorFeedback`, and only a share is
/// taken.
///
/// Memory holds the hidden states of the sample, the inner activations of one layer, and one layer's weights.
package final class SecondOrderCalibration {
    /// How a matrix is to be stored.
    package struct Storage: Sendable {
        /// `.q4`, `.q8` or a plain type.
        package let encoding: TensorEncoding
        /// The number of rows in a tile; of a quantized matrix a multiple of 16.
        package let rowsPerTile: Int

        package init(encoding: TensorEncoding, rowsPerTile: Int) {
            self.encoding = encoding
            self.rowsPerTile = rowsPerTile
        }
    }

    /// The number of the next layer.
    package private(set) var layer = 0
    /// The residual streams before the next layer: [tokens, hidden].
    private let states: StatePair

    private let configuration: LlamaConfiguration
    private let tokens: CalibrationTokens
    private let reader: WeightReader
    private let storage: (TensorName) throws -> Storage
    private let algebra: LinearAlgebra
    private let kernels: pvit_kernels
    private let forward: LayerForward
    /// The number of tokens whose activations are computed together.
    private static let blockTokens = 2048

    /// Prepares a pass and reads the embeddings of the tokens.
    ///
    /// - Parameters:
    ///   - pool: The threads that compute, and whose checkpoint can end the work.
    ///   - reader: Reads the embeddings, norms and matrices; must be safe to call from any thread.
    ///   - storage: How each of the seven matrices of a layer is to be stored.
    /// - Throws: `calibrate.no-openblas` without OpenBLAS, `quantize.calibration` for tokens without embeddings,
    ///   `memory.exhausted`, and the reader's errors.
    package init(
        _ configuration: LlamaConfiguration, tokens: CalibrationTokens, pool: ThreadPool,
        reader: @escaping WeightReader, storage: @escaping (TensorName) throws -> Storage
    ) throws {
        try configuration.requireMeasurable(tokens)
        self.configuration = configuration
        self.tokens = tokens
        self.reader = reader
        self.storage = storage
        algebra = try LinearAlgebra(pool: pool)
        kernels = pvit_kernels_best().pointee
        forward = LayerForward(configuration, length: tokens.length, algebra, kernels: kernels)
        states = try StatePair(tokens: tokens.ids.count, columns: configuration.hiddenSize)
        var rows: [Int: [Float]] = [:]
        for (index, token) in tokens.ids.enumerated() {
            let row =
                try rows[token]
                ?? read(
                    token..<token + 1, of: "model.embed_tokens.weight", count: configuration.hiddenSize, by: reader)
            rows[token] = row
            states.quantized.row(index).update(from: row, count: row.count)
            states.original.row(index).update(from: row, count: row.count)
        }
    }

    /// The approximate memory that a pass needs, in bytes: the states and the inner activations of the sample, the
    /// matrices of one stage before and after, and the factorization of the products of its inputs.
    package static func byteCount(_ configuration: LlamaConfiguration, tokenCount: Int) -> UInt64 {
        let largest = LayerStage.allCases.map { stage in
            let columns = configuration.columns(of: stage)
            let weights = configuration.rows(of: stage).reduce(0) { $0 + UInt64($1 * columns) } * 8
            return weights + UInt64(columns) * UInt64(columns) * 12
        }
        let inner = widestInput(configuration)
        let activations = UInt64(tokenCount) * activationByteCount(configuration)
        let block = UInt64(blockTokens) * UInt64(2 * inner + configuration.hiddenSize) * 8
        return activations + block + (largest.max() ?? 0)
    }

    /// The most tokens whose pass needs no more than `byteCount`, in whole sequences.
    package static func tokenCount(_ configuration: LlamaConfiguration, fitting byteCount: UInt64) -> Int {
        let fixed = Self.byteCount(configuration, tokenCount: 0)
        guard byteCount > fixed else { return 0 }
        let count = Int(clamping: (byteCount - fixed) / activationByteCount(configuration))
        return count / CalibrationTokens.textLength * CalibrationTokens.textLength
    }

    /// The states and the inner activations of a token in both models.
    private static func activationByteCount(_ configuration: LlamaConfiguration) -> UInt64 {
        UInt64(configuration.hiddenSize + widestInput(configuration)) * 8
    }

    /// The columns of the widest matrix whose input is not the residual stream.
    private static func widestInput(_ configuration: LlamaConfiguration) -> Int {
        max(configuration.intermediateSize, configuration.headCount * configuration.headWidth)
    }

    /// The residual streams of the quantized and of the original model before the next layer: [tokens, hidden] each.
    package var residuals: [DenseMatrix<Float>] { [states.quantized, states.original] }

    /// Continues before a layer with the residual streams that an earlier pass over the same tokens had there.
    ///
    /// - Throws: `quantize.calibration` for streams of another size.
    package func `continue`(before layer: Int, residuals numbers: [[Float]]) throws {
        guard (0...configuration.layerCount).contains(layer), numbers.count == residuals.count,
            zip(numbers, residuals).allSatisfy({ $0.count == $1.count })
        else {
            throw PVITError(.badCalibration, "the stored states belong to another sample")
        }
        for (numbers, stream) in zip(numbers, residuals) { stream.elements.update(from: numbers, count: numbers.count) }
        self.layer = layer
    }

    /// Quantizes the next layer.
    ///
    /// - Parameter progress: Called with the share of the layer that is done.
    /// - Returns: The tiles of its quantized matrices.
    /// - Throws: `quantize.not-finite` for weights, `quantize.calibration` for activations that are too large,
    ///   `memory.exhausted`, and what the reader and the pool's checkpoint throw.
    package func nextLayer(
        progress: (_ share: Double) throws -> Void = { _ in }
    ) throws -> [TensorName: [TileQuantizer.Tile]] {
        var tiles: [TensorName: [TileQuantizer.Tile]] = [:]
        let weights = LayerWeights(number: layer, configuration, reader: reader, pool: algebra.pool)

        var norm = try weights.norm("input_layernorm")
        let projections = try quantize(.attentionInput, of: weights, &tiles) { try normalized($0, norm) }
        let attended = try StatePair(
            tokens: tokens.ids.count, columns: configuration.headCount * configuration.headWidth)
        for block in blocks {
            let x = try normalized(block, norm)
            try forward.attend(
                x.quantized, projections.map(\.quantized), into: attended.quantized, from: block.lowerBound)
            try forward.attend(
                x.original, projections.map(\.original), into: attended.original, from: block.lowerBound)
        }
        try progress(0.25)
        let output = try quantize(.attentionOutput, of: weights, &tiles) { try attended.copy(of: $0) }
        for block in blocks { try add(output[0], attended.copy(of: block), block) }
        try progress(0.35)

        norm = try weights.norm("post_attention_layernorm")
        let network = try quantize(.feedForwardInput, of: weights, &tiles) { try normalized($0, norm) }
        let inner = try StatePair(tokens: tokens.ids.count, columns: configuration.intermediateSize)
        for block in blocks {
            let x = try normalized(block, norm)
            try forward.activate(
                x.quantized, network.map(\.quantized), into: inner.quantized, from: block.lowerBound)
            try forward.activate(x.original, network.map(\.original), into: inner.original, from: block.lowerBound)
        }
        try progress(0.6)
        let down = try quantize(.feedForwardOutput, of: weights, &tiles) { try inner.copy(of: $0) }
        for block in blocks { try add(down[0], inner.copy(of: block), block) }
        try progress(1)
        layer += 1
        return tiles
    }

    /// Ranges of tokens that hold whole sequences.
    private var blocks: [Range<Int>] {
        let size = max(Self.blockTokens / tokens.length, 1) * tokens.length
        return stride(from: 0, to: tokens.ids.count, by: size).map { $0..<min($0 + size, tokens.ids.count) }
    }

    /// Quantizes the matrices that read the same activations.
    ///
    /// - Parameters:
    ///   - tiles: Gets the tiles of the matrices that are quantized.
    ///   - input: The activations of a block of tokens, [tokens, columns].
    /// - Returns: The matrices of the stage.
    private func quantize(
        _ stage: LayerStage, of weights: LayerWeights, _ tiles: inout [TensorName: [TileQuantizer.Tile]],
        input: (Range<Int>) throws -> StatePair
    ) throws -> [WeightPair] {
        let names = stage.matrices.map { weights.name($0) }
        let storages = try names.map(storage)
        let matrices = try names.indices.map { try weights.matrix($0, of: stage) }
        guard storages.contains(where: \.encoding.isQuantized) else {
            return matrices.map { WeightPair(quantized: $0, original: $0) }
        }
        // Blocks of q4 are halves of blocks of q8.
        let width = storages.contains { $0.encoding == .q8 } ? Int(PVIT_Q8_BLOCK) : Int(PVIT_Q4_BLOCK)
        // Errors of what the matrices have in common name the first one.
        let (feedback, targets) = try located(tensor: names[0]) {
            try self.feedback(for: matrices, of: stage, blockWidth: width, input)
        }
        return try names.indices.map { index in
            guard storages[index].encoding.isQuantized else {
                return WeightPair(quantized: matrices[index], original: matrices[index])
            }
            let encoded = try located(tensor: names[index]) {
                try CorrectedMatrix(
                    matrices[index], targets: targets[index], feedback, encoding: storages[index].encoding,
                    rowsPerTile: storages[index].rowsPerTile, algebra, kernels: kernels)
            }
            tiles[names[index]] = encoded.tiles
            return WeightPair(quantized: encoded.decoded, original: matrices[index])
        }
    }

    /// How matrices that read the same activations make up for errors, and the weights that they are to approximate.
    private func feedback(
        for matrices: [DenseMatrix<Float>], of stage: LayerStage, blockWidth: Int,
        _ input: (Range<Int>) throws -> StatePair
    ) throws -> (ErrorFeedback, targets: [DenseMatrix<Float>]) {
        let (gram, changes) = try statistics(for: matrices, of: stage, input)
        let feedback = try ErrorFeedback(
            gram: consume gram, tokens: tokens.ids.count, blockWidth: blockWidth, algebra)
        for (change, matrix) in zip(changes, matrices) {
            try feedback.solve(change, algebra)
            try forward.add(matrix, to: change, from: 0)
            var largest: Float = 0
            guard kernels.scan_rows(change.elements, change.rows, change.columns, change.columns, &largest) < 0 else {
                throw ErrorFeedback.activationsTooLarge
            }
        }
        return (feedback, targets: changes)
    }

    /// H of the matrices' inputs, and the change of each matrix times H.
    private func statistics(
        for matrices: [DenseMatrix<Float>], of stage: LayerStage, _ input: (Range<Int>) throws -> StatePair
    ) throws -> (gram: DenseMatrix<Float>, changes: [DenseMatrix<Float>]) {
        let statistics = try InputStatistics(
            columns: configuration.columns(of: stage),
            residualWidth: stage.isAddedToResiduals ? configuration.hiddenSize : nil)
        for block in blocks {
            try statistics.add(
                input(block), residuals: stage.isAddedToResiduals ? states.copy(of: block) : nil, algebra)
        }
        return (statistics.gram, try matrices.map { try statistics.change(of: $0, algebra) })
    }

    /// [tokens of the block, hidden]: the residual streams, normalized.
    private func normalized(_ block: Range<Int>, _ norm: [Float]) throws -> StatePair {
        try StatePair(
            forward.normalized(states.quantized, block, by: norm), forward.normalized(states.original, block, by: norm))
    }

    /// Adds the outputs of a matrix to the residual streams.
    private func add(_ matrix: WeightPair, _ inputs: StatePair, _ block: Range<Int>) throws {
        try forward.add(
            algebra.product(inputs.quantized, matrix.quantized), to: states.quantized, from: block.lowerBound)
        try forward.add(algebra.product(inputs.original, matrix.original), to: states.original, from: block.lowerBound)
    }
}
