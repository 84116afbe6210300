import LinearAlgebra
import Storage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Compares the probabilities of the next token that several final states of the same tokens lead to.
struct OutputDivergence {
    /// The rows of the output matrix that are in memory at a time.
    static let rowsAtOnce = 4096

    /// The final states of the model itself, normalized: [tokens, hidden].
    private let original: DenseMatrix<Float>
    private let vocabularySize: Int
    private let algebra: LinearAlgebra
    private var changed: [(name: TensorName, states: DenseMatrix<Float>)] = []

    init(original: DenseMatrix<Float>, vocabularySize: Int, _ algebra: LinearAlgebra) {
        self.original = original
        self.vocabularySize = vocabularySize
        self.algebra = algebra
    }

    /// Adds the states [tokens, hidden] of a model in which a matrix was changed.
    mutating func add(_ states: DenseMatrix<Float>, of name: TensorName) { changed.append((name, states)) }

    /// The mean over tokens of half the variance of the change of the logits, for each matrix that was changed.
    ///
    /// - Parameters:
    ///   - outputName: The output matrix.
    ///   - isRounded: Whether the output matrix is to be measured as well: rounded, with the states added for it if it
    ///     is also the embeddings, and otherwise with the original ones.
    /// - Throws: `quantize.not-finite`, `quantize.calibration` if logits are not finite, and the reader's errors.
    func divergences(
        outputName: TensorName, isRounded: Bool, rounding: MatrixRounding, reader: @escaping WeightReader
    ) throws -> [TensorName: Double] {
        var changed = changed
        if isRounded, !changed.contains(where: { $0.name == outputName }) { changed.append((outputName, original)) }
        let normalizers = try normalizers(outputName, reader)
        // [matrices, tokens] each: the sums over the vocabulary of p u and of p u².
        let first = try DenseMatrix<Double>(rows: changed.count, columns: original.rows)
        let second = try DenseMatrix<Double>(rows: changed.count, columns: original.rows)
        for rows in chunks {
            let weights = try weights(outputName, rows, reader)
            let logits = try algebra.product(original, weights)
            let probabilities = try DenseMatrix<Float>(rows: logits.rows, columns: logits.columns)
            try algebra.pool.parallelFor(logits.rows, chunk: 16) { tokens, _ in
                for token in tokens {
                    let (source, target) = (logits.row(token), probabilities.row(token))
                    for column in 0..<logits.columns {
                        target[column] = Float(exp(Double(source[column]) - normalizers[token]))
                    }
                }
            }
            let rounded =
                isRounded ? try located(tensor: outputName) { try rounding.q4(weights, importance: nil) } : nil
            for (index, change) in changed.enumerated() {
                let output = change.name == outputName ? rounded ?? weights : weights
                let other = try algebra.product(change.states, output)
                try algebra.pool.parallelFor(logits.rows, chunk: 16) { tokens, _ in
                    for token in tokens {
                        let sums = Self.sums(
                            probabilities.row(token), logits.row(token), other.row(token), other.columns)
                        first.row(index)[token] += sums.first
                        second.row(index)[token] += sums.second
                    }
                }
            }
        }
        var result: [TensorName: Double] = [:]
        for (index, change) in changed.enumerated() {
            let (means, squares) = (first.row(index), second.row(index))
            let divergence = (0..<original.rows).reduce(0.0) { $0 + max(squares[$1] - means[$1] * means[$1], 0) / 2 }
            guard divergence.isFinite else { throw ErrorFeedback.activationsTooLarge }
            result[change.name] = divergence / Double(original.rows)
        }
        return result
    }

    private var chunks: [Range<Int>] {
        stride(from: 0, to: vocabularySize, by: Self.rowsAtOnce).map {
            $0..<min($0 + Self.rowsAtOnce, vocabularySize)
        }
    }

    /// [rows, hidden]
    private func weights(
        _ name: TensorName, _ rows: Range<Int>, _ reader: @escaping WeightReader
    ) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: rows.count, columns: original.columns)
        try algebra.pool.parallelFor(rows.count, chunk: 64) { part, _ in
            let absolute = rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound
            let numbers = try read(absolute, of: name, count: part.count * result.columns, by: reader)
            result.row(part.lowerBound).update(from: numbers, count: numbers.count)
        }
        return result
    }

    /// [tokens]: the logarithm of the sum of the exponentials of each token's logits.
    private func normalizers(_ name: TensorName, _ reader: @escaping WeightReader) throws -> [Double] {
        var largest = [Double](repeating: -.infinity, count: original.rows)
        var sums = [Double](repeating: 0, count: original.rows)
        for rows in chunks {
            let logits = try algebra.product(original, weights(name, rows, reader))
            for token in 0..<logits.rows {
                let row = UnsafeBufferPointer(start: logits.row(token), count: logits.columns)
                let maximum = max(largest[token], Double(row.max() ?? 0))
                sums[token] *= exp(largest[token] - maximum)
                for logit in row { sums[token] += exp(Double(logit) - maximum) }
                largest[token] = maximum
            }
        }
        return zip(largest, sums).map { $0 + log($1) }
    }

    /// The sums of p u and p u², u = z - y, over some columns.
    private static func sums(
        _ p: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ z: UnsafePointer<Float>, _ count: Int
    ) -> (first: Double, second: Double) {
        var (first, second) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        let whole = count / 8 * 8
        for start in stride(from: 0, to: whole, by: 8) {
            let u = vector(z + start) - vector(y + start)
            let weighted = vector(p + start) * u
            first += weighted
            second += weighted * u
        }
        var result = (first: Double(first.sum()), second: Double(second.sum()))
        for column in whole..<count {
            let u = Double(z[column] - y[column])
            result.first += Double(p[column]) * u
            result.second += Double(p[column]) * u * u
        }
        return result
    }

    private static func vector(_ numbers: UnsafePointer<Float>) -> SIMD8<Float> {
        UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<Float>.self)
    }
}
