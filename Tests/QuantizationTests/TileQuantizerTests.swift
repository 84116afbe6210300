import CKernels
import Storage
import Tensors
import Testing

@testable import Quantization

@Suite("Encoding tiles")
struct TileQuantizerTests {
    static let encodings: [TensorEncoding] = [.q4, .q8]

    @Test("every instruction set gives the same bytes, scale and statistics", arguments: encodings)
    func instructionSetsAgree(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 1)
        let reference = try #require(pvit_kernels_for(PVIT_ISA_SCALAR)).pointee
        for (rows, columns) in [(1, 32), (16, 64), (19, 96), (33, 160), (48, 576)] {
            var weights = (0..<rows * columns).map { _ in Float(random.heavyTailed() * 0.01) }
            for _ in 0..<columns { weights[Int(random.bits() % UInt64(weights.count))] *= 1000 }
            for importance in [nil, (0..<columns).map { _ in Float(random.heavyTailed().magnitude) }] {
                let expected = try TileQuantizer(
                    encoding: encoding, columns: columns, importance: importance, kernels: reference
                ).encode(rows: weights.span)
                for isa in [PVIT_ISA_AVX2, PVIT_ISA_AVX_VNNI, PVIT_ISA_AVX512_VNNI, PVIT_ISA_NEON, PVIT_ISA_NEON_DOT] {
                    guard let kernels = pvit_kernels_for(isa) else { continue }
                    let tile = try TileQuantizer(
                        encoding: encoding, columns: columns, importance: importance, kernels: kernels.pointee
                    ).encode(rows: weights.span)
                    #expect(tile.bytes == expected.bytes)
                    #expect(tile.scale == expected.scale)
                    #expect(tile.statistics == expected.statistics)
                }
            }
        }
    }

    @Test("statistics are those of the decoded rows, without padding", arguments: encodings)
    func statistics(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 2)
        let weights = random.gaussian(21 * 96)
        let tile = try TileQuantizer(encoding: encoding, columns: 96).encode(rows: weights.span)
        #expect(tile.bytes.count == encoding.byteCount(rows: 21, columns: 96))
        let decoded = try tile.decoded(encoding, rows: 21, columns: 96)
        let differences = zip(decoded, weights).map { Double($0) - Double($1) }
        #expect(tile.statistics.count == weights.count)
        #expect(abs(tile.statistics.relativeRMSE - relativeRMSE(decoded, weights)) < 1e-6)
        #expect(abs(tile.statistics.maximumError - (differences.map(\.magnitude).max() ?? 0)) < 1e-8)
        let squaredSum = weights.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(tile.statistics.squaredSum / squaredSum - 1) < 1e-12)
    }

    @Test("columns that count more have smaller errors")
    func importance() throws {
        var random = RandomWeights(seed: 3)
        let columns = 256
        let weights = random.gaussian(32 * columns)
        let importance = (0..<columns).map { $0 % 8 == 3 ? Float(100) : 1 }
        func errors(_ importance: [Float]?) throws -> (important: Double, others: Double) {
            let decoded = try TileQuantizer(encoding: .q4, columns: columns, importance: importance)
                .encode(rows: weights.span).decoded(.q4, rows: 32, columns: columns)
            let chosen = weights.indices.filter { $0 % 8 == 3 }
            return (
                relativeRMSE(chosen.map { decoded[$0] }, chosen.map { weights[$0] }), relativeRMSE(decoded, weights)
            )
        }
        let uniform = try errors(nil)
        let guided = try errors(importance)
        #expect(guided.important < 0.6 * uniform.important)
        #expect(guided.others < 1.5 * uniform.others)
    }

    @Test("zeros decode to exact zeros, beside other blocks and alone", arguments: encodings)
    func zeros(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 4)
        var weights = random.gaussian(20 * 128)
        for index in weights.indices where index / 32 % 3 == 1 || index / 128 == 7 { weights[index] = 0 }
        weights[7 * 128] = -0.0
        let decoded = try TileQuantizer(encoding: encoding, columns: 128).encode(rows: weights.span)
            .decoded(encoding, rows: 20, columns: 128)
        for index in weights.indices where weights[index] == 0 { #expect(decoded[index] == 0) }
        let nothing = [Float](repeating: 0, count: 64)
        let tile = try TileQuantizer(encoding: encoding, columns: 64).encode(rows: nothing.span)
        #expect(tile.scale == 0 && tile.statistics.relativeRMSE == 0)
        #expect(try tile.decoded(encoding, rows: 1, columns: 64) == nothing)
    }

    @Test("weights of any size keep their relative accuracy", arguments: encodings)
    func sizes(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 5)
        let weights = random.gaussian(16 * 64, scale: 1)
        let bound = encoding == .q4 ? 0.08 : 0.006
        for size: Float in [1e-29, 1e-10, 1, 1e10, 1e30, 8e37] {
            let scaled = weights.map { $0 * size }
            let tile = try TileQuantizer(encoding: encoding, columns: 64).encode(rows: scaled.span)
            #expect(tile.statistics.relativeRMSE < bound, "\(size)")
            #expect(relativeRMSE(try tile.decoded(encoding, rows: 16, columns: 64), scaled) < bound, "\(size)")
        }
        let extreme = [Float](repeating: .greatestFiniteMagnitude, count: 32)
        let large = try TileQuantizer(encoding: encoding, columns: 32).encode(rows: extreme.span)
        #expect(large.statistics.relativeRMSE < bound)
        // Too small to matter: zeros.
        let tiny = [Float](repeating: .leastNonzeroMagnitude * 700, count: 32)
        let small = try TileQuantizer(encoding: encoding, columns: 32).encode(rows: tiny.span)
        #expect(try small.decoded(encoding, rows: 1, columns: 32) == [Float](repeating: 0, count: 32))
        #expect(small.statistics.maximumError == Double(tiny[0]))
    }

    @Test("one weight a hundred times the others leaves the other blocks of the tile accurate", arguments: encodings)
    func outlier(encoding: TensorEncoding) throws {
        var random = RandomWeights(seed: 6)
        var weights = random.gaussian(64 * 128)
        weights[40 * 128 + 65] = 8
        let decoded = try TileQuantizer(encoding: encoding, columns: 128).encode(rows: weights.span)
            .decoded(encoding, rows: 64, columns: 128)
        #expect(abs(decoded[40 * 128 + 65] - 8) < 0.5)
        let others = weights.indices.filter { $0 / 32 != (40 * 128 + 65) / 32 }
        let error = relativeRMSE(others.map { decoded[$0] }, others.map { weights[$0] })
        #expect(error < (encoding == .q4 ? 0.075 : 0.006))
    }

    @Test("a weight that is not finite is an error that names its row", arguments: encodings)
    func notFinite(encoding: TensorEncoding) throws {
        let quantizer = try TileQuantizer(encoding: encoding, columns: 64)
        for bad in [Float.nan, .infinity, -.infinity] {
            var weights = [Float](repeating: 0.1, count: 20 * 64)
            weights[17 * 64 + 5] = bad
            let error = #expect(throws: PVITError.self) { try quantizer.encode(rows: weights.span, firstRow: 100) }
            #expect(error?.code == .weightNotFinite)
            #expect(error?.what.contains("row 117 ") == true)
        }
    }

    @Test("what the formats do not allow is refused")
    func refusals() throws {
        func code(_ body: () throws -> Void) -> PVITError.Code? {
            do { try body() } catch { return (error as? PVITError)?.code }
            return nil
        }
        for columns in [0, -32, 16, 48, 33] {
            #expect(code { _ = try TileQuantizer(encoding: .q4, columns: columns) } == .cannotQuantize)
            #expect(code { _ = try TileDecoder(encoding: .q8, columns: columns) } == .cannotQuantize)
        }
        #expect(code { _ = try TileQuantizer(encoding: .plain(.f16), columns: 32) } == .cannotQuantize)
        for importance in [[1], [Float](repeating: -1, count: 32), [Float](repeating: .nan, count: 32)] {
            #expect(
                code { _ = try TileQuantizer(encoding: .q4, columns: 32, importance: importance) } == .cannotQuantize)
        }
        let quantizer = try TileQuantizer(encoding: .q4, columns: 32, importance: [Float](repeating: 0, count: 32))
        for count in [0, 31, 33] {
            let weights = [Float](repeating: 1, count: count)
            #expect(code { _ = try quantizer.encode(rows: weights.span) } == .cannotQuantize)
        }
        let bytes = [UInt8](repeating: 0, count: 16 * 18 - 1)
        var rows = [Float](repeating: 0, count: 32)
        #expect(
            code {
                var span = rows.mutableSpan
                var packed = span.mutableBytes
                try TileDecoder(encoding: .q4, columns: 32)
                    .decode(0..<1, of: bytes.span.bytes, scale: 1, into: &packed)
            } == .cannotQuantize)
    }
}
