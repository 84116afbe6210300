import LinearAlgebra
import Parallelism
import Testing

@Suite("Linear algebra on several threads")
struct LinearAlgebraTests {
    /// Sizes that are not multiples of the tiles that threads compute.
    private static let (rows, columns, tokens) = (70, 300, 530)

    /// Numbers between -1 and 1.
    private func matrix(_ rows: Int, _ columns: Int, seed: UInt64) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: rows, columns: columns)
        var state = seed
        for index in 0..<rows * columns {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            result.elements[index] = Float(Int64(bitPattern: state) >> 32) / Float(1 << 31)
        }
        return result
    }

    private func algebra(threads: Int = 2) throws -> LinearAlgebra {
        try LinearAlgebra(pool: ThreadPool(threadCount: threads))
    }

    /// Whether every element is near the sum over `depth` of products.
    private func agrees(
        _ result: DenseMatrix<Float>, depth: Int, onlyUpper: Bool = false, _ product: (Int, Int, Int) -> Float
    ) -> Bool {
        (0..<result.rows).allSatisfy { i in
            ((onlyUpper ? i : 0)..<result.columns).allSatisfy { j in
                let sum = (0..<depth).reduce(0.0) { $0 + Double(product(i, j, $1)) }
                return abs(Double(result.row(i)[j]) - sum) < 1e-3
            }
        }
    }

    @Test("products are those of their definitions")
    func products() throws {
        let algebra = try algebra()
        let x = try matrix(Self.tokens, Self.columns, seed: 1)
        let w = try matrix(Self.rows, Self.columns, seed: 2)
        let d = try matrix(Self.tokens, Self.rows, seed: 3)
        let outputs = try algebra.product(x, w)
        #expect(agrees(outputs, depth: Self.columns) { x.row($0)[$2] * w.row($1)[$2] })

        let gram = try DenseMatrix<Float>(rows: Self.columns, columns: Self.columns)
        try algebra.addGram(of: x, to: gram)
        #expect(agrees(gram, depth: Self.tokens, onlyUpper: true) { x.row($2)[$0] * x.row($2)[$1] })
        #expect(gram.row(5)[3] == 0 && gram.row(299)[2] == 0)

        let drift = try DenseMatrix<Float>(rows: Self.rows, columns: Self.columns)
        try algebra.addProduct(ofTransposed: d, and: x, to: drift)
        #expect(agrees(drift, depth: Self.tokens) { d.row($2)[$0] * x.row($2)[$1] })

        let square = try matrix(Self.columns, Self.columns, seed: 4)
        let product = try algebra.multiply(w, by: square)
        #expect(agrees(product, depth: Self.columns) { w.row($0)[$2] * square.row($2)[$1] })
    }

    /// x xᵀ of random x, in double precision, with something on its diagonal.
    private func positiveMatrix(_ algebra: LinearAlgebra, addend: Double) throws -> DenseMatrix<Double> {
        let gram = try DenseMatrix<Float>(rows: Self.columns, columns: Self.columns)
        try algebra.addGram(of: matrix(Self.tokens, Self.columns, seed: 5), to: gram)
        let result = try DenseMatrix<Double>(rows: Self.columns, columns: Self.columns)
        for i in 0..<Self.columns {
            for j in i..<Self.columns { result.row(i)[j] = Double(gram.row(i)[j]) + (i == j ? addend : 0) }
        }
        return result
    }

    @Test("the reverse factor R is upper triangular with R Rᵀ = H, and a matrix that is not positive definite has none")
    func factorization() throws {
        let algebra = try algebra()
        let h = try positiveMatrix(algebra, addend: 1)
        let r = try positiveMatrix(algebra, addend: 1)
        #expect(try algebra.reverseCholesky(r))
        for i in 0..<Self.columns {
            #expect((0..<i).allSatisfy { r.row(i)[$0] == 0 })
            for j in i..<Self.columns {
                let sum = (j..<Self.columns).reduce(0.0) { $0 + r.row(i)[$1] * r.row(j)[$1] }
                #expect(abs(sum - h.row(i)[j]) < 1e-8)
            }
        }
        #expect(try !algebra.reverseCholesky(positiveMatrix(algebra, addend: -1000)))
    }

    @Test("solving x U D Uᵀ = m gives an x that fulfils it")
    func solving() throws {
        let algebra = try algebra()
        let n = 40
        let u = try DenseMatrix<Float>(rows: n, columns: n)
        let random = try matrix(n, n, seed: 6)
        for i in 0..<n { for j in i..<n { u.row(i)[j] = i == j ? 1 : random.row(i)[j] / 8 } }
        let d = (0..<n).map { 1 + Double($0) / 4 }
        let m = try matrix(Self.rows, n, seed: 7)
        let x = try matrix(Self.rows, n, seed: 7)
        try algebra.solve(x, u, d)
        for row in 0..<Self.rows {
            let xu = (0..<n).map { k in (0..<n).reduce(0.0) { $0 + Double(x.row(row)[$1] * u.row($1)[k]) } }
            for column in 0..<n {
                let sum = (0..<n).reduce(0.0) { $0 + xu[$1] * d[$1] * Double(u.row(column)[$1]) }
                #expect(abs(sum - Double(m.row(row)[column])) < 1e-4)
            }
        }
    }

    @Test("results do not depend on the number of threads")
    func threads() throws {
        func results(_ threads: Int) throws -> [[Double]] {
            let algebra = try algebra(threads: threads)
            let x = try matrix(Self.tokens, Self.columns, seed: 8)
            let w = try matrix(Self.rows, Self.columns, seed: 9)
            let factor = try positiveMatrix(algebra, addend: 1)
            _ = try algebra.reverseCholesky(factor)
            return [try algebra.product(x, w).numbers.map(Double.init), factor.numbers]
        }
        #expect(try results(1) == results(3))
    }
}
