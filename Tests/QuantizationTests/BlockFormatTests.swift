import CheckpointTestSupport
import Foundation
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Quantization

@Suite("Block formats beside other implementations", .needsPython)
struct BlockFormatTests {
    /// A decoder from the text of `formats/blocks.md`, as one number after another.
    static let decoder = """
        import sys, struct, numpy as np
        kind, columns, rows, scale = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), np.float32(float.fromhex(sys.argv[4]))
        data = open(sys.argv[5], "rb").read()
        codebook = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 72, 97, 121]
        def q4_scale(field):
            exponent, mantissa = field >> 4 & 7, field & 15
            return 2.0 ** -14 * mantissa / 16 if exponent == 0 else 2.0 ** (exponent - 15) * (1 + mantissa / 16)
        out, block, group_bytes = [], dict(q4=16, q8=32)[kind], columns * dict(q4=9, q8=17)[kind]
        for row in range(rows):
            group, r = row // 16 * group_bytes, row % 16
            for column in range(columns):
                superblock = column // 64 * 64
                width = min(64, columns - superblock)
                start = group + superblock * dict(q4=9, q8=17)[kind]
                b, c = (column - superblock) // block, column - superblock
                if kind == "q4":
                    field = data[start + b * 16 + r]
                    byte = data[start + width + c // 8 * 64 + r * 4 + c % 4]
                    value = codebook[byte >> 4 if c % 8 >= 4 else byte & 15] + (5 if field >> 7 else 0)
                    factor = q4_scale(field)
                else:
                    factor = struct.unpack_from("<e", data, start + b * 32 + r * 2)[0]
                    value = data[start + width + c // 4 * 64 + r * 4 + c % 4] - 128
                out.append(np.float32(float(scale) * factor * value)) # exact in double precision
        print(*(repr(float(number)) for number in out))
        """

    @Test("random tiles decode to the numbers of a decoder written from the specification", arguments: ["q4", "q8"])
    func decoders(kind: String) throws {
        let encoding = try #require(TensorEncoding(kind))
        let folder = try TemporaryFolder()
        var random = RandomWeights(seed: 11)
        for (rows, columns) in [(16, 64), (5, 32), (35, 96), (17, 192)] {
            var bytes = (0..<(encoding.byteCount(rows: rows, columns: columns) ?? 0)).map { _ in
                UInt8(truncatingIfNeeded: random.bits())
            }
            if encoding == .q8 { try replaceScales(in: &bytes, columns: columns, &random) }
            let scale = Float(random.uniform() + 0.5)
            let file = folder.path.appending("tile")
            try Data(bytes).write(to: URL(filePath: file.string))
            let text = try Python.run(
                Self.decoder, kind, "\(columns)", "\(rows)", String(format: "%a", Double(scale)), file.string)
            var numbers = [Float](repeating: .nan, count: rows * columns)
            var span = numbers.mutableSpan
            var packed = span.mutableBytes
            try TileDecoder(encoding: encoding, columns: columns)
                .decode(0..<rows, of: bytes.span.bytes, scale: scale, into: &packed)
            let theirs = text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
            #expect(theirs.count == numbers.count)
            #expect(zip(numbers, theirs).filter { Double($0) != $1 }.isEmpty)
        }
    }

    /// Makes the scales of a q8 tile finite and positive, some of them subnormal.
    private func replaceScales(in bytes: inout [UInt8], columns: Int, _ random: inout RandomWeights) throws {
        for group in stride(from: 0, to: bytes.count, by: columns * 17) {
            for superblock in stride(from: 0, to: columns, by: 64) {
                for half in 0..<min(64, columns - superblock) / 2 {
                    let pattern = UInt16(random.bits() % 0x7C00) >> (random.bits() % 4 == 0 ? 6 : 0)
                    let place = group + superblock * 17 + half * 2
                    bytes[place] = UInt8(pattern & 255)
                    bytes[place + 1] = UInt8(pattern >> 8)
                }
            }
        }
    }

    @Test(
        "errors are below those of the gguf library's types of the same size",
        arguments: [
            ("gaussian", "q4", "Q4_0", 0.76), ("gaussian", "q8", "Q8_0", 0.95), ("heavy", "q4", "Q4_0", 0.75),
            ("heavy", "q8", "Q8_0", 0.95),
        ])
    func baselines(distribution: String, kind: String, theirs: String, ratio: Double) throws {
        let encoding = try #require(TensorEncoding(kind))
        let folder = try TemporaryFolder()
        var random = RandomWeights(seed: 12)
        let weights = (0..<64 * 512).map { _ in
            Float((distribution == "heavy" ? random.heavyTailed() : random.gaussian()) * 0.02)
        }
        let file = folder.path.appending("weights")
        try weights.withUnsafeBytes { Data($0) }.write(to: URL(filePath: file.string))
        let text = try Python.run(
            """
            import sys, numpy as np
            from gguf import GGMLQuantizationType
            from gguf.quants import quantize, dequantize
            w = np.fromfile(sys.argv[1], "<f4").reshape(-1, 512)
            kind = GGMLQuantizationType[sys.argv[2]]
            d = dequantize(quantize(w, kind), kind).astype("f8")
            print(np.sqrt(((d - w) ** 2).sum() / (w.astype("f8") ** 2).sum()))
            """, file.string, theirs)
        let baseline = try #require(Double(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        let tile = try TileQuantizer(encoding: encoding, columns: 512).encode(rows: weights.span)
        #expect(tile.statistics.relativeRMSE < ratio * baseline)
    }
}
