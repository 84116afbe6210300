import LinearAlgebra
import Parallelism

/// Activations of the same tokens in two models: [tokens, columns] each.
struct StatePair {
    /// In the model whose earlier matrices are quantized.
    let quantized: DenseMatrix<Float>
    /// In the original model.
    let original: DenseMatrix<Float>

    init(_ quantized: DenseMatrix<Float>, _ original: DenseMatrix<Float>) {
        self.quantized = quantized
        self.original = original
    }

    /// Zeros.
    init(tokens: Int, columns: Int) throws {
        try self.init(DenseMatrix(rows: tokens, columns: columns), DenseMatrix(rows: tokens, columns: columns))
    }

    /// A copy of some tokens.
    func copy(of tokens: Range<Int>) throws -> StatePair {
        try StatePair(quantized.copy(of: tokens), original.copy(of: tokens))
    }

    /// original - quantized.
    func difference(_ pool: ThreadPool) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: quantized.rows, columns: quantized.columns)
        try pool.parallelFor(result.rows, chunk: 16) { rows, _ in
            for row in rows {
                let (x, y, target) = (quantized.row(row), original.row(row), result.row(row))
                for column in 0..<result.columns { target[column] = y[column] - x[column] }
            }
        }
        return result
    }
}

/// A matrix of a layer in both models: [rows, columns].
struct WeightPair {
    /// As the file stores it.
    let quantized: DenseMatrix<Float>
    let original: DenseMatrix<Float>
}
