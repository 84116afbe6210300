import Container
import Tensors
import Testing

@testable import Compute

@Suite("Products of feature maps with weights in 8 bits")
struct WideProductTests {
    @Test(
        "convolutions: the definition, with padding, strides, several maps and channels that are no multiple of 32",
        arguments: [(1, 1, 64), (3, 1, 32), (3, 2, 64), (3, 1, 80), (5, 1, 33)])
    func convolution(kernel: Int, stride: Int, channels: Int) throws {
        let outputs = 33
        let padded = (channels + 31) / 32 * 32
        // Numbers where there should be padding are multiplied by zeros.
        let weights = try StoredTestMatrix([outputs, kernel, kernel, padded], .q8, rowsPerTile: 16, seed: 8)
        let test = TestConvolution(kernel: kernel, stride: stride, channels: channels, outputs: outputs)
        #expect(
            try test.isRight(weights.matrix, tolerance: 4e-3) { output, channel, tap in
                weights.values[(output * kernel * kernel + tap) * padded + channel]
            })
    }

    @Test("blocks with outliers are multiplied in 16 bits")
    func outliers() throws {
        let (rows, outputs, depth) = (9, 20, 320)
        let weights = try StoredTestMatrix([outputs, depth], .q8, seed: 1)
        var numbers = random(rows * depth, seed: 2)
        for row in 0..<rows { for index in 0..<32 { numbers[row * depth + index] *= row < 4 ? 1 : 1000 } }
        let result = Matrix(rows: rows, columns: outputs)
        try ComputeEngine(threadCount: 2).multiply(Im2Col(matrix(rows, depth, numbers)), weights.matrix, into: result)
        for row in 0..<rows {
            for output in 0..<outputs {
                let (exact, magnitude) = weights.product(of: numbers, row: row, output: output)
                // All that counts in the last rows are the outliers, whose errors are at most 1 / 65278 of the largest.
                #expect(abs(Double(result.row(row)[output]) - exact) <= (row < 4 ? 4e-3 : 1e-4) * magnitude)
            }
        }
    }

    @Test("scale, shift, residual and activation are applied to the sums")
    func epilogue() throws {
        let (rows, outputs) = (5, 20)
        let weights = try StoredTestMatrix([outputs, 64], .q8, seed: 1)
        let engine = try ComputeEngine(threadCount: 2)
        let x = Im2Col(matrix(rows, 64, random(rows * 64, seed: 2)))
        let sums = Matrix(rows: rows, columns: outputs)
        try engine.multiply(x, weights.matrix, into: sums)
        let (scale, shift) = (
            matrix(1, outputs, random(outputs, seed: 3)), matrix(1, outputs, random(outputs, seed: 4))
        )
        let residual = random(rows * outputs, seed: 5)
        let result = matrix(rows, outputs, residual)
        try engine.multiply(
            x, weights.matrix, Epilogue(scale: scale, shift: shift, residual: result, activation: .relu), into: result)
        for row in 0..<rows {
            for output in 0..<outputs {
                let exact =
                    Double(sums.row(row)[output]) * Double(scale.start[output]) + Double(shift.start[output])
                    + Double(residual[row * outputs + output])
                #expect(abs(Double(result.row(row)[output]) - max(exact, 0)) < 1e-5)
            }
        }
    }

    @Test("threads, instruction sets, tiles and compression change no bit", arguments: [1, 3])
    func sameBits(kernel: Int) throws {
        let (height, width, channels, outputs) = (31, 29, 32, 300)
        let maps = FeatureMaps(
            count: 1, height: height, width: width,
            pixels: matrix(height * width, channels, random(height * width * channels, seed: 4)))
        let x = Im2Col(maps, kernel: kernel, stride: 1, padding: kernel / 2)
        var results: [[Float]] = []
        func multiply(_ weights: StoredTestMatrix, threads: Int, _ set: InstructionSet? = nil) throws {
            let result = Matrix(rows: x.rows, columns: outputs)
            try ComputeEngine(threadCount: threads, instructionSet: set).multiply(x, weights.matrix, into: result)
            results.append(result.values())
        }
        let shape = [outputs, kernel, kernel, channels]
        let weights = try StoredTestMatrix(shape, .q8, seed: 3)
        for set in InstructionSet.allCases where set.isSupported { try multiply(weights, threads: 2, set) }
        // With many threads, tasks have some of the outputs.
        for threads in [1, 3, 40] { try multiply(weights, threads: threads) }
        try multiply(StoredTestMatrix(shape, .q8, compression: .zstd, seed: 3), threads: 3)
        #expect(results.allSatisfy { $0 == results[0] })

        // Tiles have scales of their own, so they change the numbers; how they are read does not.
        results = []
        for compression in [Compression.none, .zstd] {
            let tiled = try StoredTestMatrix(shape, .q8, compression: compression, rowsPerTile: 48, seed: 3)
            for threads in [1, 2, 40] { try multiply(tiled, threads: threads) }
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test("a pixel's result does not depend on the others")
    func alone() throws {
        let weights = try StoredTestMatrix([70, 96], .q8, seed: 6)
        let x = matrix(500, 96, random(500 * 96, seed: 7))
        let engine = try ComputeEngine(threadCount: 2)
        let together = Matrix(rows: 500, columns: 70)
        try engine.multiply(Im2Col(x), weights.matrix, into: together)
        for row in [0, 119, 120, 499] {
            let alone = Matrix(rows: 1, columns: 70)
            try engine.multiply(Im2Col(x.slice(row..<row + 1)), weights.matrix, into: alone)
            #expect(alone.values() == together.slice(row..<row + 1).values())
        }
    }
}
