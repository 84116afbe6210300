import Parallelism
import Storage

/// Dense linear algebra on all threads of a pool.
///
/// Work is cut into tasks of a fixed size, and each is one call of OpenBLAS on one thread. So results do not depend on
/// the number of threads. They may differ in the last bits between processors, for which OpenBLAS has other kernels.
package struct LinearAlgebra: Sendable {
    package let pool: ThreadPool
    private let blas: OpenBLAS
    /// The rows and columns of the part of a result that one task computes.
    private static let tile = 256
    /// The rows of a matrix that one task solves for.
    private static let slab = 64

    /// - Throws: `calibrate.no-openblas` if the system does not have the library.
    package init(pool: ThreadPool) throws {
        self.pool = pool
        blas = try OpenBLAS.shared()
    }

    /// The ranges of at most `size` numbers that make up `0..<count`.
    private static func ranges(_ count: Int, _ size: Int = tile) -> [Range<Int>] {
        stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    }

    /// x wᵀ: the outputs [tokens, rows] of a matrix.
    ///
    /// - Parameters:
    ///   - x: [tokens, columns].
    ///   - w: [rows, columns].
    package func product(_ x: DenseMatrix<Float>, _ w: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: x.rows, columns: w.rows)
        let tasks = Self.ranges(x.rows, 512).flatMap { tokens in Self.ranges(w.rows).map { (tokens, $0) } }
        try pool.parallelFor(tasks.count) { numbers, _ in
            for (tokens, rows) in tasks[numbers] {
                blas.sgemm(
                    OpenBLAS.rowMajor, OpenBLAS.asIs, OpenBLAS.transposed, Int32(tokens.count), Int32(rows.count),
                    Int32(x.columns), 1, x.row(tokens.lowerBound), Int32(x.columns), w.row(rows.lowerBound),
                    Int32(w.columns), 0, result.row(tokens.lowerBound) + rows.lowerBound, Int32(result.columns))
            }
        }
        return result
    }

    /// w p [rows, columns].
    ///
    /// - Parameters:
    ///   - w: [rows, columns].
    ///   - p: [columns, columns].
    package func multiply(_ w: DenseMatrix<Float>, by p: DenseMatrix<Float>) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: w.rows, columns: p.columns)
        let tasks = Self.ranges(w.rows).flatMap { rows in Self.ranges(p.columns).map { (rows, $0) } }
        try pool.parallelFor(tasks.count) { numbers, _ in
            for (rows, columns) in tasks[numbers] {
                blas.sgemm(
                    OpenBLAS.rowMajor, OpenBLAS.asIs, OpenBLAS.asIs, Int32(rows.count), Int32(columns.count),
                    Int32(w.columns), 1, w.row(rows.lowerBound), Int32(w.columns), p.elements + columns.lowerBound,
                    Int32(p.columns), 0, result.row(rows.lowerBound) + columns.lowerBound, Int32(result.columns))
            }
        }
        return result
    }

    /// Adds xᵀ x to the upper triangle of a matrix, and leaves the elements below the diagonal as they are.
    ///
    /// - Parameters:
    ///   - x: [tokens, columns].
    ///   - gram: [columns, columns].
    package func addGram(of x: DenseMatrix<Float>, to gram: DenseMatrix<Float>) throws {
        let ranges = Self.ranges(x.columns)
        let tasks = ranges.indices.flatMap { i in ranges[i...].map { (ranges[i], $0) } }
        try pool.parallelFor(tasks.count) { numbers, _ in
            for (i, j) in tasks[numbers] {
                let result = gram.row(i.lowerBound) + j.lowerBound
                if i == j {
                    blas.ssyrk(
                        OpenBLAS.rowMajor, OpenBLAS.upper, OpenBLAS.transposed, Int32(i.count), Int32(x.rows), 1,
                        x.elements + i.lowerBound, Int32(x.columns), 1, result, Int32(gram.columns))
                } else {
                    addProduct(x, i, x, j, to: result, stride: gram.columns)
                }
            }
        }
    }

    /// Adds dᵀ x to a matrix.
    ///
    /// - Parameters:
    ///   - d: [tokens, rows].
    ///   - x: [tokens, columns].
    ///   - result: [rows, columns].
    package func addProduct(
        ofTransposed d: DenseMatrix<Float>, and x: DenseMatrix<Float>, to result: DenseMatrix<Float>
    ) throws {
        let tasks = Self.ranges(d.columns).flatMap { i in Self.ranges(x.columns).map { (i, $0) } }
        try pool.parallelFor(tasks.count) { numbers, _ in
            for (i, j) in tasks[numbers] {
                addProduct(d, i, x, j, to: result.row(i.lowerBound) + j.lowerBound, stride: result.columns)
            }
        }
    }

    /// result[i, j] += d[:, i]ᵀ x[:, j].
    private func addProduct(
        _ d: DenseMatrix<Float>, _ i: Range<Int>, _ x: DenseMatrix<Float>, _ j: Range<Int>,
        to result: UnsafeMutablePointer<Float>, stride: Int
    ) {
        blas.sgemm(
            OpenBLAS.rowMajor, OpenBLAS.transposed, OpenBLAS.asIs, Int32(i.count), Int32(j.count), Int32(x.rows), 1,
            d.elements + i.lowerBound, Int32(d.columns), x.elements + j.lowerBound, Int32(x.columns), 1, result,
            Int32(stride))
    }

    /// Replaces the upper triangle of a symmetric matrix H by the upper triangular R with H = R Rᵀ. The elements below
    /// the diagonal are not read and not written.
    ///
    /// That is Cholesky's factorization from the last column to the first. Tiles of the columns before are updated in
    /// parallel.
    ///
    /// - Returns: Whether the matrix was positive definite; if not, its upper triangle is undefined.
    package func reverseCholesky(_ matrix: DenseMatrix<Double>) throws -> Bool {
        let n = matrix.columns
        let ranges = Self.ranges(n)
        for k in ranges.indices.reversed() {
            guard factorDiagonal(matrix, ranges[k]) else { return false }
            let diagonal = matrix.row(ranges[k].lowerBound) + ranges[k].lowerBound
            try pool.parallelFor(k) { numbers, _ in
                for i in numbers {
                    blas.dtrsm(
                        OpenBLAS.rowMajor, OpenBLAS.right, OpenBLAS.upper, OpenBLAS.transposed, OpenBLAS.anyDiagonal,
                        Int32(ranges[i].count), Int32(ranges[k].count), 1, diagonal, Int32(n),
                        matrix.row(ranges[i].lowerBound) + ranges[k].lowerBound, Int32(n))
                }
            }
            let tasks = (0..<k).flatMap { i in (i..<k).map { (ranges[i], ranges[$0]) } }
            try pool.parallelFor(tasks.count) { numbers, _ in
                for (i, j) in tasks[numbers] {
                    let (left, target) = (matrix.row(i.lowerBound), matrix.row(i.lowerBound) + j.lowerBound)
                    let depth = Int32(ranges[k].count)
                    if i == j {
                        blas.dsyrk(
                            OpenBLAS.rowMajor, OpenBLAS.upper, OpenBLAS.asIs, Int32(i.count), depth, -1,
                            left + ranges[k].lowerBound, Int32(n), 1, target, Int32(n))
                    } else {
                        blas.dgemm(
                            OpenBLAS.rowMajor, OpenBLAS.asIs, OpenBLAS.transposed, Int32(i.count), Int32(j.count),
                            depth, -1, left + ranges[k].lowerBound, Int32(n),
                            matrix.row(j.lowerBound) + ranges[k].lowerBound, Int32(n), 1, target, Int32(n))
                    }
                }
            }
        }
        return true
    }

    /// Factors a tile on the diagonal: LAPACK's factor of the tile turned by 180 degrees is R turned.
    private func factorDiagonal(_ matrix: DenseMatrix<Double>, _ range: Range<Int>) -> Bool {
        let count = range.count
        var turned = [Double](repeating: 0, count: count * count)
        for i in 0..<count {
            let source = matrix.row(range.upperBound - 1 - i)
            // The lower triangle by rows is the upper one in LAPACK's order, by columns.
            for j in 0...i { turned[i * count + j] = source[range.upperBound - 1 - j] }
        }
        var (size, info) = (Int32(count), Int32(0))
        var leading = size
        blas.dpotrf("U", &size, &turned, &leading, &info, 1)
        guard info == 0 else { return false }
        for i in 0..<count {
            let target = matrix.row(range.upperBound - 1 - i)
            for j in 0...i { target[range.upperBound - 1 - j] = turned[i * count + j] }
        }
        return true
    }

    /// Replaces each row m of a matrix by the x with x U D Uᵀ = m.
    ///
    /// - Parameters:
    ///   - u: [columns, columns], unit upper triangular.
    ///   - d: [columns], the diagonal of D.
    ///   - matrix: [rows, columns].
    package func solve(_ matrix: DenseMatrix<Float>, _ u: DenseMatrix<Float>, _ d: [Double]) throws {
        let slabs = Self.ranges(matrix.rows, Self.slab)
        try pool.parallelFor(slabs.count) { numbers, _ in
            for rows in slabs[numbers] {
                divide(matrix, rows, u, OpenBLAS.transposed)
                for row in rows {
                    let numbers = matrix.row(row)
                    for column in 0..<matrix.columns { numbers[column] = Float(Double(numbers[column]) / d[column]) }
                }
                divide(matrix, rows, u, OpenBLAS.asIs)
            }
        }
    }

    /// Replaces each row m by the x with x U = m or x Uᵀ = m.
    private func divide(
        _ matrix: DenseMatrix<Float>, _ rows: Range<Int>, _ u: DenseMatrix<Float>, _ transpose: Int32
    ) {
        blas.strsm(
            OpenBLAS.rowMajor, OpenBLAS.right, OpenBLAS.upper, transpose, OpenBLAS.unitDiagonal, Int32(rows.count),
            Int32(matrix.columns), 1, u.elements, Int32(u.columns), matrix.row(rows.lowerBound), Int32(matrix.columns))
    }

    /// result[rows, columns] = a[rows, depth] b[depth, columns], on the calling thread.
    package func multiply(
        _ a: UnsafePointer<Float>, stride aStride: Int, _ b: UnsafePointer<Float>, stride bStride: Int, rows: Int,
        depth: Int, columns: Int, into result: UnsafeMutablePointer<Float>, stride resultStride: Int
    ) {
        blas.sgemm(
            OpenBLAS.rowMajor, OpenBLAS.asIs, OpenBLAS.asIs, Int32(rows), Int32(columns), Int32(depth), 1, a,
            Int32(aStride), b, Int32(bStride), 0, result, Int32(resultStride))
    }
}
