import CheckpointTestSupport
import Container
import Storage
import Tensors
import Testing

@testable import Compute

@Suite("Float products with weights of a container")
struct MatrixProductTests {
    @Test(
        "every encoding, in place and compressed, over borders of tiles and blocks: the sums in double precision",
        arguments: [TensorEncoding.plain(.f32), .plain(.f16), .plain(.bf16), .q8, .q4])
    func encodings(encoding: TensorEncoding) throws {
        for (outputs, depth, tile, compression) in [
            (1, 32, nil, Compression.none), (50, 96, 32, .none), (50, 96, 32, .zstd), (40, 320, nil, .zstd),
            (100, 4128, 48, .none), (70, 64, 16, .none),
        ] {
            let weights = try StoredTestMatrix(
                [outputs, depth], encoding, compression: compression, rowsPerTile: tile.map { min($0, outputs) },
                seed: 5)
            let x = random(13 * depth, seed: 6)
            let result = Matrix(rows: 13, columns: outputs)
            try ComputeEngine(threadCount: 2).multiply(
                Im2Col(matrix(13, depth, x)), weights.matrix, into: result)
            for row in [0, 5, 12] {
                for output in 0..<outputs {
                    let (exact, magnitude) = weights.product(of: x, row: row, output: output)
                    // Beside 8-bit weights, activations without outliers are rounded to 8 bits.
                    #expect(abs(Double(result.row(row)[output]) - exact) <= (encoding == .q8 ? 4e-3 : 1e-6) * magnitude)
                }
            }
        }
    }

    @Test("rows per tile that are no multiple of 16 change nothing")
    func oddTiles() throws {
        let x = matrix(30, 48, random(30 * 48, seed: 1))
        var results: [[Float]] = []
        for (rowsPerTile, compression) in [(75, Compression.none), (7, .none), (7, .zstd), (17, .none), (1, .zstd)] {
            let weights = try StoredTestMatrix(
                [75, 48], .plain(.f16), compression: compression, rowsPerTile: rowsPerTile, seed: 2)
            let result = Matrix(rows: 30, columns: 75)
            try ComputeEngine(threadCount: 2).multiply(Im2Col(x), weights.matrix, into: result)
            results.append(result.values())
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test("threads and instruction sets change no bit")
    func sameBits() throws {
        let weights = try StoredTestMatrix([200, 700], .plain(.f32), seed: 3)
        let x = matrix(130, 700, random(130 * 700, seed: 4))
        var results: [[Float]] = []
        for set in InstructionSet.allCases where set.isSupported {
            for threads in [1, 3] {
                let engine = try ComputeEngine(threadCount: threads, instructionSet: set)
                let result = Matrix(rows: 130, columns: 200)
                try engine.multiply(
                    Im2Col(x), weights.matrix, Epilogue(activation: .quickGELU), into: result)
                results.append(result.values())
            }
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test("whether tasks pack weights for themselves or share them changes no bit")
    func packing() throws {
        let x = matrix(1100, 32, random(1100 * 32, seed: 5))
        var results: [[Float]] = []
        // With many threads or many patches they are shared; compressed tiles are cut between tiles, stored ones
        // anywhere.
        for (threads, patches) in [(1, 40), (2, 40), (40, 40), (2, 1100)] {
            for (rowsPerTile, compression) in [(390, Compression.none), (45, .none), (45, .zstd), (7, .zstd)] {
                let weights = try StoredTestMatrix(
                    [390, 32], .plain(.f16), compression: compression, rowsPerTile: rowsPerTile, seed: 6)
                let result = Matrix(rows: patches, columns: 390)
                try ComputeEngine(threadCount: threads).multiply(
                    Im2Col(x.slice(0..<patches)), weights.matrix, into: result)
                results.append(result.slice(0..<40).values())
            }
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test("convolutions: the definition, with padding, strides and several maps", arguments: [(1, 1), (3, 1), (3, 2)])
    func convolution(kernel: Int, stride: Int) throws {
        let (channels, outputs) = (20, 33)
        let weights = try StoredTestMatrix([outputs, channels, kernel, kernel], .plain(.f16), seed: 8)
        let test = TestConvolution(kernel: kernel, stride: stride, channels: channels, outputs: outputs)
        #expect(
            try test.isRight(weights.matrix, tolerance: 1e-6) { output, channel, tap in
                weights.values[(output * channels + channel) * kernel * kernel + tap]
            })
    }

    @Test("attention: the definition, for one and for all queries of several sequences", arguments: [1, 5, 300])
    func attention(queries: Int) throws {
        let (sequences, positions, heads, width) = (2, 300, 2, 20)
        let columns = heads * width
        let values = [
            random(sequences * queries * columns, seed: 1), random(sequences * positions * columns, seed: 2),
            random(sequences * positions * columns, seed: 3),
        ]
        let query = matrix(sequences * queries, columns, values[0])
        let key = matrix(sequences * positions, columns, values[1])
        let value = matrix(sequences * positions, columns, values[2])
        let result = Matrix(rows: sequences * queries, columns: columns)
        try ComputeEngine(threadCount: 2).attend(
            query: query, key: key, value: value, positions: positions, heads: heads, into: result)
        for row in [0, queries - 1, queries, 2 * queries - 1] {
            let first = row / queries * positions
            for head in 0..<heads {
                let scores = (first..<first + positions).map { position in
                    (head * width..<(head + 1) * width).reduce(0.0) {
                        $0 + Double(query.row(row)[$1]) * Double(key.row(position)[$1])
                    } / Double(width).squareRoot()
                }
                let powers = scores.map { exponential($0) }
                let total = powers.reduce(0, +)
                for column in head * width..<(head + 1) * width {
                    let exact = (0..<positions).reduce(0.0) {
                        $0 + powers[$1] / total * Double(value.row(first + $1)[column])
                    }
                    #expect(abs(Double(result.row(row)[column]) - exact) < 1e-6)
                }
            }
        }
    }

    @Test(
        "attention to projected tokens: that of the projections, in the same bits with more threads and alone",
        arguments: [TensorEncoding.plain(.f16), .plain(.f32), .q8])
    func projectedAttention(encoding: TensorEncoding) throws {
        let (sequences, positions, heads, width, depth) = (3, 21, 5, 16, 96)
        let columns = heads * width
        let key = try StoredTestMatrix([columns, depth], encoding, rowsPerTile: 32, seed: 1)
        let value = try StoredTestMatrix([columns, depth], encoding, compression: .zstd, rowsPerTile: 48, seed: 2)
        let query = matrix(sequences, columns, random(sequences * columns, seed: 3))
        let tokens = matrix(sequences * positions, depth, random(sequences * positions * depth, seed: 4))
        let bias = matrix(1, columns, random(columns, seed: 5))
        func attended(_ sequences: Range<Int>, threads: Int) throws -> Matrix {
            let result = Matrix(rows: sequences.count, columns: columns)
            try ComputeEngine(threadCount: threads).attend(
                query: query.slice(sequences),
                tokens: tokens.slice(sequences.lowerBound * positions..<sequences.upperBound * positions),
                key: key.matrix, value: value.matrix, bias: bias, heads: heads, into: result)
            return result
        }
        let result = try attended(0..<sequences, threads: 2)
        #expect(try attended(0..<sequences, threads: 1).values() == result.values())
        #expect(try attended(1..<2, threads: 3).values() == result.slice(1..<2).values())
        #expect(try attended(0..<0, threads: 1).rows == 0)

        let engine = try ComputeEngine(threadCount: 1)
        let keys = Matrix(rows: tokens.rows, columns: columns)
        let values = Matrix(rows: tokens.rows, columns: columns)
        let expected = Matrix(rows: sequences, columns: columns)
        // Softmax takes no notice of the keys' bias.
        try engine.multiply(Im2Col(tokens), key.matrix, Epilogue(shift: bias), into: keys)
        try engine.multiply(Im2Col(tokens), value.matrix, Epilogue(shift: bias), into: values)
        try engine.attend(query: query, key: keys, value: values, positions: positions, heads: heads, into: expected)
        for (number, other) in zip(result.values(), expected.values()) {
            #expect(abs(number - other) < (encoding == .q8 ? 5e-2 : 2e-5))
        }
    }

    /// e to the power of x, by its series.
    private func exponential(_ x: Double) -> Double {
        var (sum, term) = (1.0, 1.0)
        for number in 1..<40 {
            term *= x / Double(number)
            sum += term
        }
        return sum
    }

    @Test("pooling: means of 2 × 2 pixels, odd sides rounded down")
    func pooling() throws {
        let maps = FeatureMaps(
            count: 2, height: 5, width: 4, pixels: matrix(40, 3, (0..<120).map { Float($0) }))
        let result = try ComputeEngine(threadCount: 2).averagePool(maps)
        #expect(result.count == 2 && result.height == 2 && result.width == 2 && result.channels == 3)
        // Pixel p of a map has channels 3p, 3p + 1, 3p + 2; a row has 4 pixels.
        #expect(result.pixel(map: 0, row: 0, column: 0)[0] == 7.5)
        #expect(result.pixel(map: 1, row: 1, column: 1)[2] == 62 + 37.5)
    }

    @Test("weights of another shape or of integers are refused by name")
    func mismatch() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("integers.pvq")
        var writer = try ContainerWriter(path: path)
        let shape = try #require(Shape([2, 2]))
        try writer.beginTensor("integers", encoding: .plain(.i8), shape: shape)
        let bytes: [UInt8] = [1, 2, 3, 4]
        try writer.append(
            TileEncoder.encode(bytes.span.bytes, encoding: .plain(.i8), compression: .none), content: bytes.span.bytes)
        try writer.endTensor()
        _ = try writer.finish(metadata: [:])
        let container = try Container(opening: path)
        for (name, shape, code) in [
            ("integers", [2, 2], PVITError.Code.tensorMismatch), ("integers", [4], .tensorMismatch),
            ("absent", [2, 2], .tensorNotFound),
        ] {
            let error = #expect(throws: PVITError.self) {
                try WeightMatrix(TensorName(name), shape: shape, in: container)
            }
            #expect(error?.code == code && error?.tensor == TensorName(name))
        }
    }
}
