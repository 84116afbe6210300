import Architectures
import CKernels
import Parallelism
import Storage
import Tensors

/// Estimates how large the activations are that each column of a matrix is multiplied by: by sending a few tokens
/// through the model while it is encoded, random ones or some of a text.
///
/// The square of an activation is what the squared error of a weight counts, so these estimates are the `importance`
/// for `TileQuantizer`. Random tokens find what matters most in trained models, a few channels with activations a
/// hundred times the usual, about as well as text does (`formats/blocks.md` has the figures). The forward pass costs no
/// reading of its own: each tile of weights is multiplied by the probe's activations when it is in memory to be encoded
/// anyway. Weights must therefore come in the order of a forward pass; tiles of the matrices that read the same
/// activations (query, key and value; gate and up) may come in any order and from several threads.
///
/// The result is a function of the weights alone: not of the threads, nor of the processor.
public final class ActivationProbe: Sendable {
    /// Reads rows of a tensor as numbers: elements of a vector, rows of the embeddings.
    public typealias Reader = @Sendable (_ name: TensorName, _ rows: Range<Int>) throws -> [Float]

    private struct State {
        var pass: ProbePass
        /// What ended the pass early. Every thread that waits or adds gets it.
        var failure: (any Error)?

        /// What the matrices at `place` read; nil while matrices that come before are missing.
        func input(at place: ProbePlace) throws -> (input: [Float], importance: [Float])? {
            if let failure { throw failure }
            return try pass.input(at: place)
        }

        mutating func add(_ products: [Float], rows: Range<Int>, at place: ProbePlace) throws {
            if let failure { throw failure }
            do {
                try pass.add(products, rows: rows, at: place)
            } catch {
                failure = error
                throw error
            }
        }
    }

    private let state: Condition<State>
    private let kernels: pvit_kernels

    /// Prepares a pass, reading the embeddings of the tokens.
    ///
    /// - Parameters:
    ///   - tokens: What is sent through the model; nil stands for random tokens.
    ///   - reader: Reads `model.embed_tokens.weight` and the norms; must be safe to call from any thread.
    /// - Throws: `quantize.shape` for sizes that cannot be computed, and the reader's errors.
    public convenience init(
        _ configuration: LlamaConfiguration, tokens: ProbeTokens? = nil, reader: @escaping Reader
    ) throws {
        try self.init(
            configuration, tokens: tokens, reader: reader, kernels: pvit_kernels_best())
    }

    init(
        _ configuration: LlamaConfiguration, tokens: ProbeTokens? = nil, reader: @escaping Reader,
        kernels: UnsafePointer<pvit_kernels>
    ) throws {
        guard configuration.canBeProbed else {
            throw PVITError(.cannotQuantize, "the sizes of the model do not fit together")
        }
        self.kernels = kernels.pointee
        let tokens = tokens ?? ProbeTokens.random(vocabulary: configuration.vocabularySize)
        guard tokens.ids.allSatisfy({ (0..<configuration.vocabularySize).contains($0) }) else {
            throw PVITError(
                .badCalibration, "the tokenizer knows tokens that the model has no embeddings of",
                remedy: "put the tokenizer files of the model beside its weights")
        }
        state = Condition(
            State(pass: try ProbePass(configuration, tokens, reader: reader, kernels: kernels.pointee)))
    }

    /// Takes part of a matrix into account and returns the importance of its columns.
    ///
    /// Waits until all matrices that come before in a forward pass have been seen whole. Every row of the seven
    /// matrices of each layer must be given once.
    ///
    /// - Parameters:
    ///   - rows: Which rows of the matrix these are.
    ///   - name: `model.layers.N.self_attn.q_proj.weight` and so on.
    ///   - weights: [rows, columns].
    /// - Returns: [columns], or nil for a tensor that is not one of the matrices.
    /// - Throws: `quantize.shape` for weights that do not suit the architecture or come twice; `quantize.abandoned`
    ///   after `abandon`; the reader's errors.
    public func observe(_ rows: Range<Int>, of name: TensorName, weights: Span<Float>) throws -> [Float]? {
        guard let place = ProbePlace(name) else { return nil }
        let (input, importance) = try state.wait(for: { try $0.input(at: place) })
        let columns = importance.count
        guard !rows.isEmpty, weights.count / columns == rows.count, weights.count % columns == 0 else {
            throw PVITError(.cannotQuantize, "\(weights.count) weights are not \(rows.count) rows of \(columns)")
        }
        let products = project(weights, rowCount: rows.count, columns: columns, input: input)
        try state.change { try $0.add(products, rows: rows, at: place) }
        return importance
    }

    /// Ends all waiting with an error, now and in future: to be called when a thread gives up.
    public func abandon() {
        state.change { $0.failure = $0.failure ?? PVITError(.quantizationAbandoned, "the work was given up") }
    }

    /// [tokens, rows] = input [tokens, columns + padding] times the transposed weights [rows, columns].
    private func project(_ weights: Span<Float>, rowCount: Int, columns: Int, input: [Float]) -> [Float] {
        let inputStride = columns + ProbePass.inputPadding
        let tokens = input.count / inputStride
        return weights.withUnsafeBufferPointer { weights in
            [Float](unsafeUninitializedCapacity: tokens * rowCount) { products, count in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: columns * groupRows) { scratch in
                    for first in stride(from: 0, to: rowCount, by: groupRows) {
                        kernels.project_rows(
                            weights.baseAddress?.advanced(by: first * columns), min(groupRows, rowCount - first),
                            columns, columns, input, inputStride, tokens, scratch.baseAddress,
                            products.baseAddress?.advanced(by: first), rowCount)
                    }
                }
                count = tokens * rowCount
            }
        }
    }
}
