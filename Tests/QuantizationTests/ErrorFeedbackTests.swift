import CKernels
import LinearAlgebra
import Parallelism
import Tensors
import Testing

@testable import Quantization

@Suite("Encoding with error feedback")
struct ErrorFeedbackTests {
    private static let tokens = 400

    private func dense(_ rows: Int, _ columns: Int, _ numbers: [Float]) throws -> DenseMatrix<Float> {
        let result = try DenseMatrix<Float>(rows: rows, columns: columns)
        result.elements.update(from: numbers, count: rows * columns)
        return result
    }

    /// Inputs [tokens, columns] whose neighbours are alike, and some of which are ten times as large.
    private func inputs(_ columns: Int, _ random: inout RandomWeights) -> [Float] {
        var result: [Float] = []
        for _ in 0..<Self.tokens {
            var last = 0.0
            for column in 0..<columns {
                last = 0.8 * last + random.gaussian()
                result.append(Float(column % 16 == 5 ? 10 * last : last))
            }
        }
        return result
    }

    private func feedback(
        _ inputs: [Float], _ columns: Int, blockWidth: Int, _ algebra: LinearAlgebra
    ) throws -> (ErrorFeedback, gram: DenseMatrix<Float>) {
        let gram = try DenseMatrix<Float>(rows: columns, columns: columns)
        try algebra.addGram(of: dense(Self.tokens, columns, inputs), to: gram)
        return (try ErrorFeedback(gram: gram, tokens: Self.tokens, blockWidth: blockWidth, algebra), gram)
    }

    @Test("every instruction set gives the same bytes and errors", arguments: [TensorEncoding.q4, .q8])
    func instructionSetsAgree(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 31)
        let algebra = try LinearAlgebra(pool: ThreadPool(threadCount: 2))
        let width = encoding == .q4 ? 16 : 32
        for (rows, columns) in [(5, 32), (40, 96), (70, 288)] {
            let weights = try dense(rows, columns, random.gaussian(rows * columns))
            let (feedback, _) = try feedback(inputs(columns, &random), columns, blockWidth: width, algebra)
            func encode(_ isa: pvit_isa) throws -> CorrectedMatrix? {
                guard let kernels = pvit_kernels_for(isa) else { return nil }
                return try CorrectedMatrix(
                    weights, targets: weights, feedback, encoding: encoding, rowsPerTile: 32, algebra,
                    kernels: kernels.pointee)
            }
            let expected = try #require(try encode(PVIT_ISA_SCALAR))
            for isa in [PVIT_ISA_AVX2, PVIT_ISA_AVX_VNNI, PVIT_ISA_AVX512_VNNI, PVIT_ISA_NEON, PVIT_ISA_NEON_DOT] {
                guard let matrix = try encode(isa) else { continue }
                #expect(matrix.tiles.map(\.bytes) == expected.tiles.map(\.bytes))
                #expect(matrix.tiles.map(\.statistics) == expected.tiles.map(\.statistics))
                #expect(matrix.decoded.numbers == expected.decoded.numbers)
            }
        }
    }

    @Test("inputs that have nothing to do with each other give the bytes of plain encoding")
    func withoutCorrelation() throws {
        var random = RandomWeights(seed: 32)
        let (rows, columns) = (33, 96)
        let algebra = try LinearAlgebra(pool: ThreadPool(threadCount: 2))
        let gram = try DenseMatrix<Float>(rows: columns, columns: columns)
        for column in 0..<columns { gram.row(column)[column] = 4 }
        let feedback = try ErrorFeedback(gram: gram, tokens: Self.tokens, blockWidth: 16, algebra)
        let numbers = random.gaussian(rows * columns)
        let weights = try dense(rows, columns, numbers)
        let matrix = try CorrectedMatrix(
            weights, targets: weights, feedback, encoding: .q4, rowsPerTile: 48, algebra,
            kernels: pvit_kernels_best().pointee)
        let plain = try TileQuantizer(encoding: .q4, columns: columns).encode(
            rows: numbers.span, largest: TileQuantizer.largestMagnitude(of: numbers.span, columns: columns))
        #expect(matrix.tiles.map(\.bytes) == [plain.bytes])
        #expect(matrix.tiles.map(\.scale) == [plain.scale])
    }

    @Test("later columns make up for the errors of earlier ones: each is the code next to its corrected weight")
    func corrections() throws {
        var random = RandomWeights(seed: 33)
        let (rows, columns) = (16, 160)
        let algebra = try LinearAlgebra(pool: ThreadPool(threadCount: 2))
        let (feedback, _) = try feedback(inputs(columns, &random), columns, blockWidth: 32, algebra)
        let weights = try dense(rows, columns, random.gaussian(rows * columns))
        let matrix = try CorrectedMatrix(
            weights, targets: weights, feedback, encoding: .q8, rowsPerTile: 16, algebra,
            kernels: pvit_kernels_best().pointee)
        for row in 0..<rows {
            var errors = [Double](repeating: 0, count: columns)
            for (position, column) in feedback.order.enumerated() {
                let decoded = Double(matrix.decoded.row(row)[column])
                let corrected = (0..<position).reduce(Double(weights.row(row)[column])) {
                    $0 + errors[$1] * Double(feedback.coefficients.row($1)[position])
                }
                errors[position] = Double(weights.row(row)[column]) - decoded
                // Codes of a block are a step apart, and the largest magnitude is about 127 steps. What goes beyond it
                // is cut off.
                let block = feedback.order[position / 32 * 32]
                let largest = (block..<block + 32).map { abs(Double(matrix.decoded.row(row)[$0])) }.max() ?? 0
                #expect(abs(decoded - corrected) < largest / 120)
            }
        }
    }

    @Test("inputs whose products are not positive definite get ten times the damping")
    func damping() throws {
        let columns = 32
        let algebra = try LinearAlgebra(pool: ThreadPool(threadCount: 2))
        let gram = try DenseMatrix<Float>(rows: columns, columns: columns)
        for i in 0..<columns {
            gram.row(i)[i] = 1
            // Pairs with a correlation above 1, as rounding can make it.
            if i % 2 == 0 { gram.row(i)[i + 1] = 1.05 }
        }
        let feedback = try ErrorFeedback(gram: gram, tokens: 1_000_000_000, blockWidth: 16, algebra)
        var random = RandomWeights(seed: 35)
        let numbers = random.gaussian(columns, scale: 1)
        let x = try dense(1, columns, numbers)
        try feedback.solve(x, algebra)
        for column in 0..<columns {
            // x H with the diagonal 1 + 0.1.
            let product = 1.1 * x.numbers[column] + 1.05 * x.numbers[column ^ 1]
            #expect(abs(product - numbers[column]) < 1e-3)
        }
    }

    @Test(
        "outputs have less error than with plain encoding by importance, also where q4 shares its inputs with q8",
        arguments: [(TensorEncoding.q4, 16), (.q4, 32), (.q8, 32)])
    func outputs(encoding: TensorEncoding, blockWidth: Int) throws {
        var random = RandomWeights(seed: 34)
        let (rows, columns) = (64, 256)
        let algebra = try LinearAlgebra(pool: ThreadPool(threadCount: 2))
        let x = inputs(columns, &random)
        let (feedback, gram) = try feedback(x, columns, blockWidth: blockWidth, algebra)
        let numbers = random.gaussian(rows * columns)
        let weights = try dense(rows, columns, numbers)
        let matrix = try CorrectedMatrix(
            weights, targets: weights, feedback, encoding: encoding, rowsPerTile: 64, algebra,
            kernels: pvit_kernels_best().pointee)
        let importance = (0..<columns).map { gram.row($0)[$0] }
        let plain = try TileQuantizer(encoding: encoding, columns: columns, importance: importance).encode(
            rows: numbers.span, largest: TileQuantizer.largestMagnitude(of: numbers.span, columns: columns))
        let plainDecoded = try plain.decoded(encoding, rows: rows, columns: columns)
        func loss(_ decoded: (Int, Int) -> Float) -> Double {
            var sum = 0.0
            for row in 0..<rows {
                let errors = (0..<columns).map { Double(weights.row(row)[$0] - decoded(row, $0)) }
                for token in 0..<Self.tokens {
                    let output = (0..<columns).reduce(0.0) { $0 + errors[$1] * Double(x[token * columns + $1]) }
                    sum += output * output
                }
            }
            return sum
        }
        #expect(loss { matrix.decoded.row($0)[$1] } < 0.6 * loss { plainDecoded[$0 * columns + $1] })
    }
}
