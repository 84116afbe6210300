import CKernels
import TestSupport
import Testing

@Suite("Products of quantized weights")
struct QuantizedProductTests {
    static let columns = [32, 64, 96, 576, 1536, 11008]
    static let tokenCounts = [1, 2, 3, 4, 7, 8, 9, 33, 130]
    static let groupCounts = [1, 2, 5]

    private func product(_ set: InstructionSet, _ w: QuantizedMatrix, _ x: Activations, token: Int) -> [Float] {
        product(set, w, x, fewTokens: token..<token + 1, stride: w.rows)
    }

    /// The product with 1 to `PVIT_GEMV_TOKENS` tokens, which are not packed.
    private func product(
        _ set: InstructionSet, _ w: QuantizedMatrix, _ x: Activations, fewTokens tokens: Range<Int>, stride: Int
    ) -> [Float] {
        let y = GuardedBuffer<Float>(repeating: 42, count: (tokens.count - 1) * stride + w.rows)
        let (bytes, first) = (w.bytes.pointer, tokens.lowerBound)
        switch w.format {
        case .q4:
            set.kernels.gemv_q4(
                bytes, w.groups, w.columns, w.tileScale, x.view(from: first), tokens.count, y.pointer, stride)
        case .q8:
            set.kernels.gemv_q8(
                bytes, w.groups, w.columns, w.tileScale, x.wideView(from: first), tokens.count, y.pointer, stride)
        }
        return y.elements
    }

    private func product(
        _ set: InstructionSet, _ w: QuantizedMatrix, _ x: Activations, tokens: Range<Int>, stride: Int
    ) -> [Float] {
        let y = GuardedBuffer<Float>(repeating: 42, count: (tokens.count - 1) * stride + w.rows)
        multiply(set, w, 0..<w.groups, x, tokens: tokens, into: y.pointer, stride: stride)
        return y.elements
    }

    private func multiply(
        _ set: InstructionSet, _ w: QuantizedMatrix, _ groups: Range<Int>, _ x: Activations, tokens: Range<Int>,
        into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let start = w.bytes.pointer + groups.lowerBound * w.groupBytes
        let result = y + groups.lowerBound * 16
        let packed = x.packed(tokens, for: w.format, set)
        let gemm = w.format == .q4 ? set.kernels.gemm_q4 : set.kernels.gemm_q8
        gemm?(start, groups.count, w.columns, w.tileScale, packed.pointer, tokens.count, result, stride)
    }

    // A unit of 32 columns is rounded to about one integer (a weight of 1 times an activation code of 1) of each block.
    @Test("scalar kernels agree with exact arithmetic for one token", arguments: QuantizedMatrix.Format.allCases)
    func exact(format: QuantizedMatrix.Format) {
        var random = RepeatableRandom(seed: 1)
        for columns in Self.columns.dropLast() {
            let w = QuantizedMatrix(format, groups: 2, columns: columns, random: &random)
            let x = Activations(tokens: 3, columns: columns, random: &random)
            for token in 0..<3 {
                let values = x.values(token: token, for: format)
                let y = product(.scalar, w, x, token: token)
                for row in 0..<w.rows {
                    let terms = zip(w.weights(row: row), values).map(*)
                    let scales = w.blockScales(row: row)
                    var tolerance = terms.reduce(0) { $0 + abs($1) } * 1e-6
                    if format == .q4 {
                        for (block, scale) in scales.enumerated() {
                            tolerance += 2.25 * scale * x.scale(token: token, column: block * 16, for: format)
                        }
                    }
                    #expect(abs(Double(y[row]) - terms.reduce(0, +)) <= tolerance, "\(columns) columns, token \(token)")
                }
            }
        }
    }

    @Test("the error of scalar kernels is small relative to the sum of magnitudes")
    func typicalError() {
        var random = RepeatableRandom(seed: 8)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 4, columns: 1536, random: &random)
            let x = Activations(tokens: 1, columns: 1536, random: &random)
            let terms = (0..<w.rows).map { zip(w.weights(row: $0), x.values(token: 0, for: format)).map(*) }
            let error = largestError(
                product(.scalar, w, x, token: 0), exact: terms.map { $0.reduce(0, +) },
                magnitude: terms.map { $0.reduce(0) { $0 + abs($1) } })
            #expect(error < 2e-6)
        }
    }

    @Test("every instruction set has the scalar result bit for bit for one token", arguments: InstructionSet.vectorised)
    func vector(set: InstructionSet) {
        var random = RepeatableRandom(seed: 2)
        for format in QuantizedMatrix.Format.allCases {
            for columns in Self.columns {
                for groups in Self.groupCounts {
                    for extreme in [false, true] {
                        let w = QuantizedMatrix(
                            format, groups: groups, columns: columns, extreme: extreme, random: &random)
                        let x = Activations(tokens: 1, columns: columns, random: &random)
                        let difference = firstDifference(
                            product(set, w, x, token: 0), product(.scalar, w, x, token: 0))
                        #expect(difference == nil, "\(format), \(groups) groups of \(columns) columns")
                    }
                }
            }
        }
    }

    @Test(
        "in products of many tokens, a token's result does not depend on the others", .slow,
        arguments: InstructionSet.all)
    func tokens(set: InstructionSet) {
        var random = RepeatableRandom(seed: 3)
        for format in QuantizedMatrix.Format.allCases {
            for columns in Self.columns {
                for groups in Self.groupCounts {
                    let w = QuantizedMatrix(format, groups: groups, columns: columns, random: &random)
                    for tokens in columns < 1000 ? Self.tokenCounts : [2, 7] {
                        if set.isa == PVIT_ISA_SCALAR && columns > 600 { continue }
                        let x = Activations(tokens: tokens, columns: columns, random: &random)
                        let stride = w.rows + 3
                        let y = product(set, w, x, tokens: 0..<tokens, stride: stride)
                        if tokens <= PVIT_GEMV_TOKENS {
                            let few = product(set, w, x, fewTokens: 0..<tokens, stride: stride)
                            #expect(
                                firstDifference(few, y) == nil, "\(format), \(groups) x \(columns), \(tokens) tokens")
                        }
                        for token in 0..<tokens {
                            let alone = product(set, w, x, token: token)
                            let difference = firstDifference(Array(y[token * stride..<token * stride + w.rows]), alone)
                            #expect(difference == nil, "\(format), \(groups) x \(columns), token \(token) of \(tokens)")
                            if token > 0 { #expect(y[token * stride - 1] == 42, "wrote between tokens") }
                        }
                    }
                }
            }
        }
    }

    @Test("splitting the groups among calls does not change the bits", arguments: InstructionSet.vectorised)
    func split(set: InstructionSet) {
        var random = RepeatableRandom(seed: 4)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 21, columns: 576, random: &random)
            let x = Activations(tokens: 13, columns: 576, random: &random)
            let whole = product(set, w, x, tokens: 0..<13, stride: w.rows)
            let y = GuardedBuffer<Float>(repeating: 0, count: 13 * w.rows)
            for part in [0..<1, 1..<4, 4..<16, 16..<21] {
                multiply(set, w, part, x, tokens: 0..<13, into: y.pointer, stride: w.rows)
            }
            #expect(firstDifference(whole, y.elements) == nil)
        }
    }

    @Test("bytes that no encoder writes also give the same bits, without a fault", arguments: InstructionSet.vectorised)
    func damaged(set: InstructionSet) {
        var random = RepeatableRandom(seed: 5)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 2, columns: 96, random: &random)
            w.bytes.pointer.update(from: random.bytes(w.bytes.count), count: w.bytes.count)
            let x = Activations(tokens: 9, columns: 96, random: &random)
            let y = product(set, w, x, tokens: 0..<9, stride: w.rows)
            #expect(firstDifference(y, product(.scalar, w, x, tokens: 0..<9, stride: w.rows)) == nil)
        }
    }

    @Test("every codebook value, shifted or not, is within ±127")
    func codebook() {
        let codebook = withUnsafeBytes(of: pvit_q4_codebook) { Array($0.bindMemory(to: Int8.self)) }
        for value in codebook.map(Int.init) {
            #expect((-127...127).contains(value) && (-127...127).contains(value + Int(PVIT_Q4_SHIFT)))
        }
    }

    @Test("a decoded row has the exact weights, rounded once", arguments: InstructionSet.all)
    func rows(set: InstructionSet) {
        var random = RepeatableRandom(seed: 6)
        for format in QuantizedMatrix.Format.allCases {
            for columns in [32, 64, 96, 576] {
                let w = QuantizedMatrix(format, groups: 2, columns: columns, extreme: true, random: &random)
                let function = format == .q4 ? set.kernels.row_q4 : set.kernels.row_q8
                for row in 0..<w.rows {
                    let result = GuardedBuffer<Float>(repeating: .nan, count: columns)
                    function?(
                        w.bytes.pointer + row / 16 * w.groupBytes, row % 16, columns, w.tileScale, result.pointer)
                    #expect(firstDifference(result.elements, w.weights(row: row).map { Float($0) }) == nil)
                }
            }
        }
    }
}
