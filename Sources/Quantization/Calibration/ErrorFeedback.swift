import LinearAlgebra
import Storage

/// How much of the rounding error of each column of a matrix the columns after it make up for.
///
/// With inputs x and H = sum x xᵀ, an error e of a row of weights changes the outputs by e H eᵀ. Let H = U D Uᵀ with a
/// unit upper triangular U and a diagonal D. Then e H eᵀ = sum_k D_k (e_k + sum_{j<k} e_j U_jk)²: the column k, encoded
/// after all j < k, is best rounded from w_k + sum_{j<k} e_j U_jk. That is GPTQ (arXiv 2210.17323) as LDLQ (arXiv
/// 2307.13304, section 3.1) writes it.
struct ErrorFeedback {
    /// The columns in the order of encoding, which keeps those of a block together.
    let order: [Int]
    /// The weights of the squared errors of columns: D in the order of encoding, scaled to a largest value of 1 and
    /// lifted to 10⁻¹² at least.
    let importance: [Float]
    /// U [columns, columns] in the order of encoding. The elements below the diagonal are zero.
    let coefficients: DenseMatrix<Float>
    /// D in the order of encoding.
    private let diagonal: [Double]

    /// The share of the mean of H's diagonal that is added to it, first and again when H is not positive definite.
    private static let dampings = [0.01, 0.1, 1]
    /// A product of two inputs that is measured on T tokens is off by 1 / sqrt(T), so columns seem to make up for each
    /// other more than they do for other texts. H's diagonal grows by this times columns / T, up to twice itself.
    private static let shrinkage = 3.0

    /// Orders blocks by falling diagonal of H and factors.
    ///
    /// Columns whose inputs are always zero have only the damping on their diagonal: they are rounded last, to the
    /// nearest code, and nothing makes up for them.
    ///
    /// - Parameters:
    ///   - gram: H [columns, columns], of which the upper triangle is read.
    ///   - tokens: The number of inputs that it is the sum of.
    ///   - blockWidth: The number of columns that share a scale, in the matrix with the widest blocks.
    /// - Throws: `quantize.calibration` if H has numbers that are not finite or cannot be factored.
    init(gram: consuming DenseMatrix<Float>, tokens: Int, blockWidth: Int, _ algebra: LinearAlgebra) throws {
        let n = gram.columns
        var squares: [Float] = []
        for column in 0..<n { squares.append(gram.row(column)[column]) }
        let mean = squares.reduce(0) { $0 + Double($1) } / Double(n)
        guard mean.isFinite else { throw Self.activationsTooLarge }
        let firsts = Array(stride(from: 0, to: n, by: blockWidth))
        let sums = firsts.map { first in squares[first..<first + blockWidth].reduce(0, +) }
        let blocks = firsts.indices.sorted { (-sums[$0], $0) < (-sums[$1], $1) }.map { firsts[$0] }
        order = blocks.flatMap { Array($0..<$0 + blockWidth) }
        let growth = 1 + min(Self.shrinkage * Double(n) / Double(max(tokens, 1)), 1)
        // H is large, and is not needed any more when its copy is made.
        let matrix = try Self.ordered(consume gram, order, algebra)
        for damping in Self.dampings {
            for (position, column) in order.enumerated() {
                // A text that says nothing leaves only the damping.
                matrix.row(position)[position] = Double(squares[column]) * growth + max(mean, 1e-20) * damping
            }
            guard try algebra.reverseCholesky(matrix) else {
                try Self.mirrorLowerTriangle(of: matrix, algebra)
                continue
            }
            (coefficients, diagonal) = try Self.normalized(matrix, algebra)
            let largest = diagonal.max() ?? 1
            importance = diagonal.map { max(Float($0 / largest), 1e-12) }
            return
        }
        throw PVITError(
            .badCalibration,
            "the activations of the calibration text cannot be used: their products are not positive definite",
            remedy: "give another text, or leave out --calibration")
    }

    /// The first column of each block, in the order of encoding.
    ///
    /// - Parameter width: The number of columns in a block: that of the initializer, or a part of it.
    func blocks(ofWidth width: Int) -> [Int] { stride(from: 0, to: order.count, by: width).map { order[$0] } }

    /// The error of activations that are infinite, or whose products are.
    static var activationsTooLarge: PVITError {
        PVITError(
            .badCalibration, "activations of the calibration text are too large",
            remedy: "check the checkpoint for damage with `pvit inspect --tensors`, or leave out --calibration and "
                + "--bits")
    }

    /// U and D from R with H = R Rᵀ.
    private static func normalized(
        _ factor: DenseMatrix<Double>, _ algebra: LinearAlgebra
    ) throws -> (coefficients: DenseMatrix<Float>, diagonal: [Double]) {
        let n = factor.columns
        let pivots = (0..<n).map { factor.row($0)[$0] }
        let result = try DenseMatrix<Float>(rows: n, columns: n)
        try algebra.pool.parallelFor(n, chunk: 16) { rows, _ in
            for i in rows { for j in i..<n { result.row(i)[j] = Float(factor.row(i)[j] / pivots[j]) } }
        }
        return (result, pivots.map { $0 * $0 })
    }

    /// Replaces each row m of a matrix [rows, columns] by the x with x H = m.
    func solve(_ matrix: DenseMatrix<Float>, _ algebra: LinearAlgebra) throws {
        try algebra.pool.parallelFor(matrix.rows, chunk: 16) { rows, _ in
            for row in rows { Self.permute(matrix.row(row), order, scattering: false) }
        }
        try algebra.solve(matrix, coefficients, diagonal)
        try algebra.pool.parallelFor(matrix.rows, chunk: 16) { rows, _ in
            for row in rows { Self.permute(matrix.row(row), order, scattering: true) }
        }
    }

    /// Brings the elements of a row into an order, or back from it.
    private static func permute(_ row: UnsafeMutablePointer<Float>, _ order: [Int], scattering: Bool) {
        let copy = Array(UnsafeBufferPointer(start: row, count: order.count))
        for (position, column) in order.enumerated() {
            if scattering { row[column] = copy[position] } else { row[position] = copy[column] }
        }
    }

    /// H in the order of encoding, both triangles: factoring keeps the lower one.
    private static func ordered(
        _ gram: consuming DenseMatrix<Float>, _ order: [Int], _ algebra: LinearAlgebra
    ) throws -> DenseMatrix<Double> {
        let gram = gram
        let n = order.count
        let result = try DenseMatrix<Double>(rows: n, columns: n)
        try algebra.pool.parallelFor(n, chunk: 16) { rows, _ in
            for i in rows {
                let target = result.row(i)
                for j in 0..<n { target[j] = Double(gram.row(min(order[i], order[j]))[max(order[i], order[j])]) }
            }
        }
        return result
    }

    private static func mirrorLowerTriangle(of matrix: DenseMatrix<Double>, _ algebra: LinearAlgebra) throws {
        try algebra.pool.parallelFor(matrix.rows, chunk: 16) { rows, _ in
            for i in rows { for j in i + 1..<max(matrix.columns, i + 1) { matrix.row(i)[j] = matrix.row(j)[i] } }
        }
    }
}
