import Tensors

/// For which matrices another type would change most: those in q4 that would gain most as q8, and those in q8 that
/// would lose least as q4.
package struct TypeAdvice: Sendable, Hashable {
    /// A matrix of the model.
    package struct Matrix: Sendable, Hashable {
        package let name: TensorName
        package let encoding: TensorEncoding
        package let shape: Shape
        /// The error of its weights; nil if it is unknown.
        package let statistics: ErrorStatistics?

        package init(name: TensorName, encoding: TensorEncoding, shape: Shape, statistics: ErrorStatistics?) {
            self.name = name
            self.encoding = encoding
            self.shape = shape
            self.statistics = statistics
        }
    }

    /// What the order of the matrices is based on.
    package enum Basis: Sendable, Hashable {
        /// The divergence of the model's predictions, in nats, with the matrix alone in q4. What is left of it in q8 is
        /// not known, and taken as zero.
        case divergence
        /// The matrix's share of the squared error of all weights, which says little about predictions.
        case squaredError
    }

    /// A matrix whose type could be changed.
    package struct Change: Sendable, Hashable {
        package let name: TensorName
        /// What q8 would save, or q4 would cost: nats, or a share of the squared error from 0 to 1.
        package let value: Double
        /// How many bytes q8 takes more than q4.
        package let byteCount: Int
        /// The bits per weight of the model if this change and those before it were made.
        package let bitsPerWeight: Double

        /// The value for each byte.
        package var valuePerByte: Double { value / Double(byteCount) }
    }

    /// What the numbers are.
    package let basis: Basis
    /// The matrices in q4, the one first that gains most for each byte as q8.
    package let upgrades: [Change]
    /// The matrices in q8, the one first that loses least for each byte as q4. Empty without sensitivity, as the errors
    /// that they would have are not known.
    package let downgrades: [Change]

    private typealias Candidate = (isQ4: Bool, name: TensorName, value: Double, byteCount: Int)

    /// Ranks the matrices.
    ///
    /// - Parameters:
    ///   - matrices: The matrices of the model.
    ///   - sensitivity: What the file records, or nil. Matrices that it does not name are not ranked.
    ///   - byteCount: The stored size of all weights.
    ///   - weightCount: Their number.
    package init(
        on matrices: [Matrix], sensitivity: Sensitivities?, byteCount: UInt64, weightCount: Int
    ) {
        basis = sensitivity == nil ? .squaredError : .divergence
        let totalError = matrices.reduce(0) { $0 + ($1.statistics?.squaredError ?? 0) }
        let candidates = matrices.compactMap { matrix -> Candidate? in
            let (rows, columns) = (matrix.shape.rows, matrix.shape.elementsPerRow)
            guard matrix.encoding.isQuantized, rows > 0,
                let q8 = TensorEncoding.q8.byteCount(rows: rows, columns: columns),
                let q4 = TensorEncoding.q4.byteCount(rows: rows, columns: columns), q8 > q4
            else { return nil }
            let value: Double
            if let sensitivity {
                guard let divergence = sensitivity.divergences[matrix.name] else { return nil }
                value = divergence
            } else {
                guard matrix.encoding == .q4, let statistics = matrix.statistics, totalError > 0, totalError.isFinite
                else { return nil }
                value = statistics.squaredError / totalError
            }
            return (matrix.encoding == .q4, matrix.name, value, q8 - q4)
        }
        // Sorting is stable, so that equal values stay in the order of names.
        let byName = candidates.sorted { $0.name < $1.name }
        func perByte(_ matrix: Candidate) -> Double { matrix.value / Double(matrix.byteCount) }
        var bits = Double(byteCount) * 8
        func change(_ matrix: Candidate) -> Change {
            bits += (matrix.isQ4 ? 8 : -8) * Double(matrix.byteCount)
            return Change(
                name: matrix.name, value: matrix.value, byteCount: matrix.byteCount,
                bitsPerWeight: weightCount > 0 ? bits / Double(weightCount) : 0)
        }
        upgrades = byName.filter(\.isQ4).sorted { perByte($0) > perByte($1) }.map(change)
        bits = Double(byteCount) * 8
        downgrades = byName.filter { !$0.isQ4 }.sorted { perByte($0) < perByte($1) }.map(change)
    }
}
