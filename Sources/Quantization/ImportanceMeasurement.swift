import Platform
import Architectures
import CKernels
import Parallelism
import Storage
import Tensors

/// Measures how much each column of a matrix matters: the mean square of the activations that it is multiplied by,
/// when a few random tokens pass through the model while it is encoded.
///
/// An error in a weight is multiplied by the activation, so its square counts in proportion to the activation's square.
/// The result is the `importance` of `TileQuantizer`. Trained models have a few channels with activations a hundred
/// times the usual; random tokens find them about as well as text does (`formats/blocks.md` has the figures).
///
/// The forward pass needs no reading of its own: each tile of weights is multiplied by the activations while it is in
/// memory to be encoded. Weights must therefore come in the order of a forward pass. Tiles of matrices that read the
/// same activations (query, key and value; gate and up) may come in any order and from several threads.
///
/// The result depends on the weights and tokens alone, not on threads or processor.
package final class ImportanceMeasurement: Sendable {
    private struct State {
        var pass: CalibrationPass
        /// The error that ended the pass early. Every thread that waits or adds throws it.
        var failure: (any Error)?

        /// The input of the matrix at `position` and its importance; nil while earlier matrices are missing.
        func input(at position: MatrixPosition) throws -> (input: [Float], importance: [Float])? {
            if let failure { throw failure }
            return try pass.input(at: position)
        }

        mutating func add(_ products: [Float], rows: Range<Int>, at position: MatrixPosition) throws {
            if let failure { throw failure }
            do {
                try pass.add(products, rows: rows, at: position)
            } catch {
                failure = error
                throw error
            }
        }
    }

    private let state: Condition<State>
    private let kernels: pvit_kernels

    /// Prepares a pass and reads the embeddings of the tokens.
    ///
    /// - Parameters:
    ///   - reader: Reads `model.embed_tokens.weight` and the norms; must be safe to call from any thread.
    /// - Throws: `quantize.shape` for sizes that cannot be computed, and the reader's errors.
    package convenience init(
        _ configuration: LlamaConfiguration, reader: @escaping WeightReader
    ) throws {
        try self.init(
            configuration, reader: reader, kernels: pvit_kernels_best())
    }

    init(
        _ configuration: LlamaConfiguration, reader: @escaping WeightReader,
        kernels: UnsafePointer<pvit_kernels>
    ) throws {
        guard configuration.canMeasureImportance else {
            throw PVITError(.cannotQuantize, "the sizes of the model do not fit together")
        }
        self.kernels = kernels.pointee
        let tokens = CalibrationTokens.random(vocabulary: configuration.vocabularySize)
        state = Condition(
            State(pass: try CalibrationPass(configuration, tokens, reader: reader, kernels: kernels.pointee)))
    }

    /// Multiplies rows of a matrix by the activations and returns the importance of its columns.
    ///
    /// Waits until all rows of earlier matrices were given. Every row of the seven matrices of each layer must be given
    /// once.
    ///
    /// - Parameters:
    ///   - rows: The range of rows.
    ///   - name: `model.layers.N.self_attn.q_proj.weight` and so on.
    ///   - weights: [rows, columns].
    /// - Returns: [columns], or nil for a tensor that is not one of the matrices.
    /// - Throws: `quantize.shape` for weights that do not suit the architecture or come twice; `quantize.abandoned`
    ///   after `abandon`; the reader's errors.
    package func observe(_ rows: Range<Int>, of name: TensorName, weights: Span<Float>) throws -> [Float]? {
        guard let position = MatrixPosition(name) else { return nil }
        let (input, importance) = try state.wait(for: { try $0.input(at: position) })
        let columns = importance.count
        guard !rows.isEmpty, weights.count / columns == rows.count, weights.count % columns == 0 else {
            throw PVITError(.cannotQuantize, "\(weights.count) weights are not \(rows.count) rows of \(columns)")
        }
        let products = project(weights, rowCount: rows.count, columns: columns, input: input)
        try state.change { try $0.add(products, rows: rows, at: position) }
        return importance
    }

    /// Ends all present and future calls of `observe` with an error. A thread that gives up must call it.
    package func abandon() {
        state.change {
            $0.failure = $0.failure ?? PVITError(.quantizationAbandoned, "another tile could not be converted")
        }
    }

    /// [tokens, rows] = input [tokens, columns + padding] times the transposed weights [rows, columns].
    private func project(_ weights: Span<Float>, rowCount: Int, columns: Int, input: [Float]) -> [Float] {
        let inputStride = columns + CalibrationPass.inputPadding
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
