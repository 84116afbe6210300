import CKernels
import Testing

@Suite("Products of quantized weights")
struct QuantizedProductTests {
    static let columns = [32, 64, 96, 576, 1536, 11008]
    static let tokenCounts = [1, 2, 3, 7, 8, 9, 33, 130]
    static let groupCounts = [1, 2, 5]

    private func product(_ set: InstructionSet, _ w: QuantizedMatrix, _ x: Activations, token: Int) -> [Float] {
        let y = GuardedBuffer<Float>(repeating: .nan, count: w.rows)
        let function = w.format == .q4 ? set.kernels.gemv_q4 : set.kernels.gemv_q8
        function?(w.bytes.pointer, w.groups, w.columns, w.tileScale, x.view(from: token), y.pointer)
        return y.elements
    }

    private func product(
        _ set: InstructionSet, _ w: QuantizedMatrix, _ x: Activations, tokens: Range<Int>, stride: Int
    ) -> [Float] {
        let y = GuardedBuffer<Float>(repeating: 42, count: (tokens.count - 1) * stride + w.rows)
        let function = w.format == .q4 ? set.kernels.gemm_q4 : set.kernels.gemm_q8
        function?(
            w.bytes.pointer, w.groups, w.columns, w.tileScale, x.view(from: tokens.lowerBound), tokens.count,
            y.pointer, stride)
        return y.elements
    }

    // A unit of 32 columns is rounded to about one integer (a weight of 1 times an activation code of 1) of each block.
    @Test("one token: scalar kernels agree with exact arithmetic", arguments: QuantizedMatrix.Format.allCases)
    func exact(format: QuantizedMatrix.Format) {
        var random = RandomNumbers(seed: 1)
        for columns in Self.columns.dropLast() {
            let w = QuantizedMatrix(format, groups: 2, columns: columns, random: &random)
            let x = Activations(tokens: 3, columns: columns, random: &random)
            for token in 0..<3 {
                let values = x.values(token: token)
                let y = product(.scalar, w, x, token: token)
                for row in 0..<w.rows {
                    let terms = zip(w.weights(row: row), values).map(*)
                    let scales = w.blockScales(row: row)
                    var tolerance = terms.reduce(0) { $0 + abs($1) } * 1e-6
                    if format == .q4 {
                        for (block, scale) in scales.enumerated() {
                            tolerance += 2.25 * scale * Double(x.scales.pointer[(token * columns + block * 16) / 32])
                        }
                    }
                    #expect(abs(Double(y[row]) - terms.reduce(0, +)) <= tolerance, "\(columns) columns, token \(token)")
                }
            }
        }
    }

    @Test("one token: the error of scalar kernels is small beside the sum of magnitudes")
    func typicalError() {
        var random = RandomNumbers(seed: 8)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 4, columns: 1536, random: &random)
            let x = Activations(tokens: 1, columns: 1536, random: &random)
            let terms = (0..<w.rows).map { zip(w.weights(row: $0), x.values(token: 0)).map(*) }
            let error = largestError(
                product(.scalar, w, x, token: 0), exact: terms.map { $0.reduce(0, +) },
                magnitude: terms.map { $0.reduce(0) { $0 + abs($1) } })
            #expect(error < 2e-6)
        }
    }

    @Test("one token: every instruction set gives the scalar result, bit for bit", arguments: InstructionSet.vectorised)
    func vector(set: InstructionSet) {
        var random = RandomNumbers(seed: 2)
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
        "many tokens: each gets the bits it would get alone, whatever the tokens beside it",
        arguments: InstructionSet.all)
    func tokens(set: InstructionSet) {
        var random = RandomNumbers(seed: 3)
        for format in QuantizedMatrix.Format.allCases {
            for columns in Self.columns {
                for groups in Self.groupCounts {
                    let w = QuantizedMatrix(format, groups: groups, columns: columns, random: &random)
                    for tokens in columns < 1000 ? Self.tokenCounts : [2, 7] {
                        if set.isa == PVIT_ISA_SCALAR && columns > 600 { continue }
                        let x = Activations(tokens: tokens, columns: columns, random: &random)
                        let stride = w.rows + 3
                        let y = product(set, w, x, tokens: 0..<tokens, stride: stride)
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

    @Test("groups in separate calls give the same bits", arguments: InstructionSet.vectorised)
    func split(set: InstructionSet) {
        var random = RandomNumbers(seed: 4)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 21, columns: 576, random: &random)
            let x = Activations(tokens: 13, columns: 576, random: &random)
            let whole = product(set, w, x, tokens: 0..<13, stride: w.rows)
            let y = GuardedBuffer<Float>(repeating: 0, count: 13 * w.rows)
            let function = format == .q4 ? set.kernels.gemm_q4 : set.kernels.gemm_q8
            for part in [0..<1, 1..<4, 4..<16, 16..<21] {
                function?(
                    w.bytes.pointer + part.lowerBound * w.groupBytes, part.count, 576, w.tileScale, x.view, 13,
                    y.pointer + part.lowerBound * 16, w.rows)
            }
            #expect(firstDifference(whole, y.elements) == nil)
        }
    }

    @Test("bytes that no encoder writes give the same bits too, and no fault", arguments: InstructionSet.vectorised)
    func damaged(set: InstructionSet) {
        var random = RandomNumbers(seed: 5)
        for format in QuantizedMatrix.Format.allCases {
            let w = QuantizedMatrix(format, groups: 2, columns: 96, random: &random)
            for index in 0..<w.bytes.count { w.bytes.pointer[index] = .random(in: 0...255, using: &random) }
            let x = Activations(tokens: 9, columns: 96, random: &random)
            let y = product(set, w, x, tokens: 0..<9, stride: w.rows)
            #expect(firstDifference(y, product(.scalar, w, x, tokens: 0..<9, stride: w.rows)) == nil)
        }
    }

    @Test("every codebook value, shifted or not, fits a signed byte without -128")
    func codebook() {
        let codebook = withUnsafeBytes(of: pvit_q4_codebook) { Array($0.bindMemory(to: Int8.self)) }
        for value in codebook.map(Int.init) {
            #expect((-127...127).contains(value) && (-127...127).contains(value + Int(PVIT_Q4_SHIFT)))
        }
    }

    @Test("a row is its weights, rounded once", arguments: InstructionSet.all)
    func rows(set: InstructionSet) {
        var random = RandomNumbers(seed: 6)
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

    @Test(
        "activations are scaled by their absolute maximum in 32 columns and rounded to even",
        arguments: InstructionSet.all)
    func activations(set: InstructionSet) {
        var random = RandomNumbers(seed: 7)
        let columns = 32 * 9
        var x = random.wildFloats(columns)
        for index in 0..<32 { x[index] = 0 }
        for index in 32..<64 { x[index] = 1e-38 }
        for index in 64..<96 { x[index] = Float(index - 80) * (3e37 / 16) }
        for index in 96..<128 { x[index] = index == 96 ? 127 : Float(index - 100) + 0.5 }  // halves
        let input = GuardedBuffer(x)
        let codes = GuardedBuffer<Int8>(repeating: 99, count: columns)
        let scales = GuardedBuffer<Float>(repeating: 99, count: columns / 32)
        let sums = GuardedBuffer<Int32>(repeating: 99, count: columns / 16)
        set.kernels.quantize_activations(input.pointer, columns, codes.pointer, scales.pointer, sums.pointer)
        for block in 0..<columns / 32 {
            let part = x[block * 32..<block * 32 + 32]
            let maximum = part.map(abs).max() ?? 0
            let negligible = maximum < 0x1p-100
            #expect(scales.pointer[block] == (negligible ? 0 : maximum / 127))
            for (index, value) in zip(part.indices, part) {
                let code = negligible ? 0 : (value * (127 / maximum)).rounded(.toNearestOrEven)
                #expect(Float(codes.pointer[index]) == code)
            }
            for half in [2 * block, 2 * block + 1] {
                #expect(sums.pointer[half] == (half * 16..<half * 16 + 16).reduce(0) { $0 + Int32(codes.pointer[$1]) })
            }
        }
    }

    @Test("the residual is what the codes leave out, rounded once", arguments: InstructionSet.all)
    func residual(set: InstructionSet) {
        let columns = 96
        var random = SystemRandomNumberGenerator()
        let x = GuardedBuffer((0..<columns).map { _ in Float.random(in: -3...3, using: &random) })
        let codes = GuardedBuffer<Int8>(repeating: 0, count: columns)
        let scales = GuardedBuffer<Float>(repeating: 0, count: columns / 32)
        let sums = GuardedBuffer<Int32>(repeating: 0, count: columns / 16)
        let rest = GuardedBuffer<Float>(repeating: 99, count: columns)
        set.kernels.quantize_activations(x.pointer, columns, codes.pointer, scales.pointer, sums.pointer)
        set.kernels.activation_residual(x.pointer, columns, codes.pointer, scales.pointer, rest.pointer)
        for index in 0..<columns {
            let exact = Double(x.pointer[index]) - Double(scales.pointer[index / 32]) * Double(codes.pointer[index])
            #expect(rest.pointer[index] == Float(exact))
            #expect(abs(rest.pointer[index]) <= scales.pointer[index / 32] * 0.5001)
        }
    }

    @Test("activations that are not finite do not trap", arguments: InstructionSet.all)
    func notFinite(set: InstructionSet) {
        for value in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
            let x = GuardedBuffer((0..<64).map { $0 % 7 == 3 ? value : Float($0) })
            let codes = GuardedBuffer<Int8>(repeating: 0, count: 64)
            let scales = GuardedBuffer<Float>(repeating: 0, count: 2)
            let sums = GuardedBuffer<Int32>(repeating: 0, count: 4)
            set.kernels.quantize_activations(x.pointer, 64, codes.pointer, scales.pointer, sums.pointer)
            let total = codes.elements.reduce(0) { $0 + Int32($1) }
            #expect(total == sums.elements.reduce(0, +))
        }
    }
}
