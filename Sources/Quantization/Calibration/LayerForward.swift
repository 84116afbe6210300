import Architectures
import CKernels
import LinearAlgebra

/// The parts of a layer's forward pass in floating point, for tokens in sequences of one length.
struct LayerForward {
    private let configuration: LlamaConfiguration
    private let length: Int
    private let algebra: LinearAlgebra
    private let kernels: pvit_kernels
    private let attention: SequenceAttention

    /// - Parameter length: The number of tokens in a sequence.
    init(_ configuration: LlamaConfiguration, length: Int, _ algebra: LinearAlgebra, kernels: pvit_kernels) {
        self.configuration = configuration
        self.length = length
        self.algebra = algebra
        self.kernels = kernels
        attention = SequenceAttention(configuration, length: length, kernels: kernels)
    }

    /// [tokens, hidden]: some rows of a residual stream, normalized.
    func normalized(
        _ residuals: DenseMatrix<Float>, _ tokens: Range<Int>, by norm: [Float]
    ) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: tokens.count, columns: residuals.columns)
        try algebra.pool.parallelFor(tokens.count, chunk: 16) { rows, _ in
            for row in rows {
                kernels.rms_norm(
                    residuals.row(tokens.lowerBound + row), norm, residuals.columns, configuration.normEpsilon,
                    result.row(row))
            }
        }
        return result
    }

    /// Writes the outputs [tokens, heads * headWidth] of attention to the rows of `result` from `first` on.
    ///
    /// - Parameters:
    ///   - x: The normalized inputs [tokens, hidden] of whole sequences.
    ///   - projections: The query, key and value matrices.
    func attend(
        _ x: DenseMatrix<Float>, _ projections: [DenseMatrix<Float>], into result: DenseMatrix<Float>, from first: Int
    ) throws {
        try attend(
            queries: algebra.product(x, projections[0]), keys: algebra.product(x, projections[1]),
            values: algebra.product(x, projections[2]), into: result, from: first)
    }

    /// The same from queries, keys and values [tokens, rows], of which the first two are rotated in place.
    func attend(
        queries: DenseMatrix<Float>, keys: DenseMatrix<Float>, values: DenseMatrix<Float>,
        into result: DenseMatrix<Float>, from first: Int
    ) throws {
        let heads = configuration.keyValueHeadCount
        try algebra.pool.parallelFor(queries.rows / length * heads) { numbers, _ in
            for number in numbers {
                let row = number / heads * length
                attention.attend(
                    head: number % heads, queries: queries.row(row), keys: keys.row(row), values: values.row(row),
                    result: result.row(first + row))
            }
        }
    }

    /// Writes swiglu(x gateᵀ, x upᵀ) [tokens, intermediate] to the rows of `result` from `first` on.
    ///
    /// - Parameters:
    ///   - x: The normalized inputs [tokens, hidden].
    ///   - network: The gate and up matrices.
    func activate(
        _ x: DenseMatrix<Float>, _ network: [DenseMatrix<Float>], into result: DenseMatrix<Float>, from first: Int
    ) throws {
        try activate(
            gates: algebra.product(x, network[0]), ups: algebra.product(x, network[1]), into: result, from: first)
    }

    /// The same from the products [tokens, intermediate].
    func activate(
        gates: DenseMatrix<Float>, ups: DenseMatrix<Float>, into result: DenseMatrix<Float>, from first: Int
    ) throws {
        try algebra.pool.parallelFor(gates.rows, chunk: 16) { rows, _ in
            for row in rows {
                kernels.swiglu(gates.row(row), ups.row(row), gates.columns, result.row(first + row))
            }
        }
    }

    /// Adds rows to the rows of another matrix from `first` on.
    func add(_ numbers: DenseMatrix<Float>, to sums: DenseMatrix<Float>, from first: Int) throws {
        try algebra.pool.parallelFor(numbers.rows, chunk: 16) { rows, _ in
            for row in rows { kernels.add(sums.row(first + row), numbers.row(row), numbers.columns) }
        }
    }
}
