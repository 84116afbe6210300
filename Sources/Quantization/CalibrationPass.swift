import Architectures
import CKernels
import Storage
import Tensors

/// A forward pass of a few tokens that advances as the products of its matrices arrive.
struct CalibrationPass {
    private let configuration: LlamaConfiguration
    private let reader: WeightReader
    private let kernels: pvit_kernels
    private let attention: SequenceAttention
    /// Numbers between the rows of an input. Without them, rows of 4096 numbers start in the same set of the first
    /// cache and push each other out.
    static let inputPadding = 16

    private let tokens: CalibrationTokens
    private let tokenCount: Int

    private var step = 0
    private var residual: [Float]  // [tokens, hidden]
    private var input: [Float] = []  // [tokens, columns + inputPadding]: the input of this step's matrices
    private var importance: [Float] = []  // [columns]
    private var outputs: [[Float]] = []  // [tokens, rows] for each matrix of the step
    private var seen: [[Bool]] = []  // [rows] for each matrix of the step
    private var missing = 0  // rows

    init(
        _ configuration: LlamaConfiguration, _ tokens: CalibrationTokens,
        reader: @escaping WeightReader,
        kernels: pvit_kernels
    ) throws {
        self.configuration = configuration
        self.tokens = tokens
        tokenCount = tokens.ids.count
        self.reader = reader
        self.kernels = kernels
        attention = SequenceAttention(configuration, length: tokens.length, kernels: kernels)
        residual = []
        for token in tokens.ids {
            residual += try read(
                token..<token + 1, of: "model.embed_tokens.weight", count: configuration.hiddenSize, by: reader)
        }
        try begin()
    }

    private var stage: LayerStage { LayerStage(rawValue: step % LayerStage.allCases.count) ?? .attentionInput }
    private var layer: Int { step / LayerStage.allCases.count }

    /// The input of a matrix and the importance of its columns; nil while earlier matrices are missing.
    func input(at position: MatrixPosition) throws -> (input: [Float], importance: [Float])? {
        guard position.layer < configuration.layerCount, position.step >= step else {
            throw PVITError(.cannotQuantize, "the matrix does not belong to the model or came before")
        }
        return position.step == step ? (input, importance) : nil
    }

    /// Adds the products of some rows of a matrix. The last ones of a step begin the next step.
    mutating func add(_ products: [Float], rows: Range<Int>, at position: MatrixPosition) throws {
        let count = configuration.rows(of: position.stage)[position.matrix]
        guard position.step == step, rows.lowerBound >= 0, rows.upperBound <= count,
            !seen[position.matrix][rows].contains(true)
        else { throw PVITError(.cannotQuantize, "rows \(rows) of the matrix came before or do not belong to it") }
        for token in 0..<tokenCount {
            let start = token * count
            outputs[position.matrix].replaceSubrange(
                start + rows.lowerBound..<start + rows.upperBound,
                with: products[token * rows.count..<(token + 1) * rows.count])
        }
        for row in rows { seen[position.matrix][row] = true }
        missing -= rows.count
        if missing == 0 { try advance() }
    }

    /// Computes the input of this step's matrices.
    private mutating func begin() throws {
        var activations: [Float]  // [tokens, columns]
        switch stage {
        case .attentionInput: activations = try normalized(by: "input_layernorm")
        case .attentionOutput: activations = attend()
        case .feedForwardInput: activations = try normalized(by: "post_attention_layernorm")
        case .feedForwardOutput:
            activations = [Float](repeating: 0, count: outputs[0].count)
            kernels.swiglu(outputs[0], outputs[1], activations.count, &activations)
        }
        importance = meanSquares(of: activations)
        input = padded(activations)
        let rows = configuration.rows(of: stage)
        outputs = rows.map { [Float](repeating: 0, count: tokenCount * $0) }
        seen = rows.map { [Bool](repeating: false, count: $0) }
        missing = rows.reduce(0, +)
    }

    private mutating func advance() throws {
        if stage.isAddedToResiduals {
            kernels.add(&residual, outputs[0], residual.count)
        }
        step += 1
        if layer < configuration.layerCount { try begin() }
    }

    /// [tokens, hidden]: the residual stream, normalized.
    private func normalized(by norm: String) throws -> [Float] {
        let hidden = configuration.hiddenSize
        let name = TensorName("model.layers.\(layer).\(norm).weight")
        let weight = try read(0..<hidden, of: name, count: hidden, by: reader)
        var result = residual
        result.withUnsafeMutableBufferPointer { buffer in
            for token in 0..<tokenCount {
                let row = buffer.baseAddress?.advanced(by: token * hidden)
                kernels.rms_norm(row, weight, hidden, configuration.normEpsilon, row)
            }
        }
        return result
    }

    /// [tokens, heads * headWidth]: causal attention within each sequence, from this step's queries, keys and values.
    private func attend() -> [Float] {
        let width = configuration.headWidth
        let (queryWidth, keyWidth) = (configuration.headCount * width, configuration.keyValueHeadCount * width)
        var (queries, keys) = (outputs[0], outputs[1])
        var result = [Float](repeating: 0, count: tokenCount * queryWidth)
        queries.withUnsafeMutableBufferPointer { queries in
            keys.withUnsafeMutableBufferPointer { keys in
                outputs[2].withUnsafeBufferPointer { values in
                    result.withUnsafeMutableBufferPointer { result in
                        guard let queries = queries.baseAddress, let keys = keys.baseAddress,
                            let values = values.baseAddress, let result = result.baseAddress
                        else { return }
                        for first in stride(from: 0, to: tokenCount, by: tokens.length) {
                            for head in 0..<configuration.keyValueHeadCount {
                                attention.attend(
                                    head: head, queries: queries + first * queryWidth, keys: keys + first * keyWidth,
                                    values: values + first * keyWidth, result: result + first * queryWidth)
                            }
                        }
                    }
                }
            }
        }
        return result
    }

    /// [tokens, columns + inputPadding]
    private func padded(_ activations: [Float]) -> [Float] {
        let columns = configuration.columns(of: stage)
        var result: [Float] = []
        result.reserveCapacity(tokenCount * (columns + Self.inputPadding))
        for token in 0..<tokenCount {
            result += activations[token * columns..<(token + 1) * columns]
            result += repeatElement(0, count: Self.inputPadding)
        }
        return result
    }

    /// [columns]: the mean over tokens of the squares of this step's input [tokens, columns].
    ///
    /// Random tokens predict the inner activations of the feed-forward network less well than all others. There the
    /// root of the mean square gives smaller errors.
    private func meanSquares(of activations: [Float]) -> [Float] {
        let columns = configuration.columns(of: stage)
        var sums = [Float](repeating: 0, count: columns)
        for token in 0..<tokenCount {
            for column in 0..<columns {
                let activation = activations[token * columns + column]
                sums[column] += activation * activation
            }
        }
        let means = sums.map { min($0 / Float(tokenCount), .greatestFiniteMagnitude) }
        return stage == .feedForwardOutput ? means.map { $0.squareRoot() } : means
    }
}
