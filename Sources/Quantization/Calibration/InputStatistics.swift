import LinearAlgebra

/// Sums over the tokens of a sample of products of the inputs of some matrices.
///
/// x is an input in the model whose earlier matrices are quantized, y that of the same token in the original model.
struct InputStatistics {
    /// [columns, columns]: the sum of x xᵀ, of which the upper triangle is used.
    let gram: DenseMatrix<Float>
    /// [columns, columns]: the sum of (y - x) xᵀ.
    let drift: DenseMatrix<Float>
    /// [rows, columns]: the sum of (s - r) xᵀ, where r and s are the residual streams of the quantized and the original
    /// model that the outputs are added to; nil if they are not added to them.
    let residualDrift: DenseMatrix<Float>?

    /// - Parameter residualWidth: The width of the residual streams, if the outputs are added to them.
    init(columns: Int, residualWidth: Int?) throws {
        gram = try DenseMatrix(rows: columns, columns: columns)
        drift = try DenseMatrix(rows: columns, columns: columns)
        residualDrift = try residualWidth.map { try DenseMatrix(rows: $0, columns: columns) }
    }

    /// Adds tokens.
    ///
    /// - Parameter residuals: The residual streams of the tokens, [tokens, residualWidth].
    func add(_ inputs: StatePair, residuals: StatePair?, _ algebra: LinearAlgebra) throws {
        try algebra.addGram(of: inputs.quantized, to: gram)
        try algebra.addProduct(ofTransposed: inputs.difference(algebra.pool), and: inputs.quantized, to: drift)
        if let residuals, let residualDrift {
            try algebra.addProduct(
                ofTransposed: residuals.difference(algebra.pool), and: inputs.quantized, to: residualDrift)
        }
    }

    /// The change of weights [rows, columns], times H, that brings their outputs nearer to those of the original model.
    func change(of weights: DenseMatrix<Float>, _ algebra: LinearAlgebra) throws -> DenseMatrix<Float> {
        let result = try algebra.multiply(weights, by: drift)
        try algebra.pool.parallelFor(result.rows, chunk: 16) { rows, _ in
            for row in rows {
                let numbers = result.row(row)
                for column in 0..<result.columns { numbers[column] *= Self.driftShare }
                guard let residual = residualDrift?.row(row) else { continue }
                for column in 0..<result.columns { numbers[column] += Self.residualShare * residual[column] }
            }
        }
        return result
    }

    /// How much of the errors of earlier layers a matrix makes up for. The whole fits the sample better and other texts
    /// worse (`formats/blocks.md`).
    private static let driftShare: Float = 0.6
    private static let residualShare: Float = 0.6
}
