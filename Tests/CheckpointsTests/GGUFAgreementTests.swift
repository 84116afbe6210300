import Checkpoints
import CheckpointTestSupport
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Agreement with the gguf library", .needsPython)
struct GGUFAgreementTests {
    /// Writes a file with a tensor of every type, and what the library makes of each, one after the other, as f32.
    private static let everyType = """
        import sys, numpy as np
        from gguf import GGUFWriter, GGMLQuantizationType as T
        from gguf.constants import GGML_QUANT_SIZES
        from gguf.quants import dequantize, quantize
        r = np.random.default_rng(11)
        # Where the blocks have f16 numbers: random bytes there would often be infinite.
        halves = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
                  T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
        writer = GGUFWriter(sys.argv[1], "llama")
        with open(sys.argv[2], "wb") as expected:
            for type, places in halves.items():
                elements, size = GGML_QUANT_SIZES[type]
                blocks = r.integers(0, 256, (7 * 512 // elements, size), dtype=np.uint8)
                for place in places:
                    scales = r.standard_normal(len(blocks)) * 10.0 ** r.integers(-8, 4, len(blocks))
                    blocks[:, place:place + 2] = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
                blocks[0] = 0
                data = blocks.reshape(7, -1)
                writer.add_tensor(type.name, data, raw_dtype=type)
                floats = dequantize(data, type).astype(np.float32)
                assert np.isfinite(floats).all()
                expected.write(floats.tobytes())
            for type in [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]:
                data = quantize(r.standard_normal((7, 512)).astype(np.float32), type)
                writer.add_tensor("real " + type.name, data, raw_dtype=type)
                expected.write(dequantize(data, type).tobytes())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        """

    @Test("blocks of every type become the same numbers, bit for bit, whole and row by row")
    func everyType() throws {
        let folder = try TemporaryFolder()
        let (path, floats) = (folder.path.appending("types.gguf"), folder.path.appending("floats"))
        _ = try Python.run(Self.everyType, path.string, floats.string)
        let file = try GGUFFile(path: path)
        let quantized = GGUFType.allCases.filter(\.isQuantized)
        #expect(Set(file.tensors.map(\.name.rawValue)).isSuperset(of: quantized.map(\.description)))
        let expected = try contents(of: floats)
        let size = 7 * 512 * 4
        #expect(expected.count == file.tensors.count * size)
        for (place, tensor) in file.tensors.enumerated() {
            #expect(tensor.shape.dimensions == [7, 512] && tensor.elementType == .f32)
            let part = Array(expected[place * size..<(place + 1) * size])
            #expect(try file.bytes(ofRows: 0..<7, of: tensor) == part, "\(tensor.name)")
            for row in 0..<7 {
                #expect(
                    try file.bytes(ofRows: row..<row + 1, of: tensor) == Array(part[row * 2048..<(row + 1) * 2048]),
                    "\(tensor.name)")
            }
        }
    }

    @Test("plain numbers and metadata of every type are read as the library wrote them")
    func plainTypes() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("plain.gguf")
        let listing = try Python.run(
            """
            import sys, numpy as np
            from gguf import GGUFWriter, GGMLQuantizationType as T
            r = np.random.default_rng(5)
            writer = GGUFWriter(sys.argv[1], "llama")
            writer.add_custom_alignment(64)
            writer.add_uint8("a", 7); writer.add_int8("b", -7); writer.add_uint16("c", 65535); writer.add_int16("d", -2)
            writer.add_uint32("e", 1 << 31); writer.add_int32("f", -5); writer.add_uint64("g", 1 << 40)
            writer.add_int64("h", -(1 << 40)); writer.add_float32("i", 0.1); writer.add_float64("j", 0.1)
            writer.add_bool("k", True); writer.add_string("l", "h\\u00e9\\n"); writer.add_array("m", ["x", "", "\\u2581"])
            writer.add_array("n", [1, -2, 3]); writer.add_array("o", [0.5, 1.5])
            for t in ["f4", "f2", "f8", "i1", "i2", "i4", "i8"]:
                for s in [(5,), (3, 4), (2, 3, 5)]:
                    v = np.asarray(r.standard_normal(s) * 9).astype(t)
                    writer.add_tensor(f"{t}{s}", v)
                    print(f"{t}{s}", ",".join(map(str, s)), v.tobytes().hex(), sep="|")
            v = r.integers(0, 1 << 16, (3, 4), dtype=np.uint16)
            writer.add_tensor("bf16", v.view(np.uint8), raw_dtype=T.BF16)
            print("bf16", "3,4", v.tobytes().hex(), sep="|")
            writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
            """, path.string)
        let file = try GGUFFile(path: path)
        let integers = try ["a", "b", "c", "d", "e", "f", "g", "h"].map { try file.integer($0) }
        #expect(integers == [7, -7, 65535, -2, 1 << 31, -5, 1 << 40, -(1 << 40)])
        #expect(try [file.number("i"), file.number("j")] == [0.1, 0.1])
        #expect(try file.bool("k") == true)
        #expect(try file.string("l") == "hé\n")
        #expect(try file.strings("m") == ["x", "", "▁"])
        #expect(try file.integers("n") == [1, -2, 3])
        #expect(try file.numbers("o") == [0.5, 1.5])
        let lines = listing.split(separator: "\n").map { $0.split(separator: "|").map(String.init) }
        #expect(lines.count == file.tensors.count)
        for line in lines {
            let tensor = try #require(file.tensor(named: TensorName(line[0])))
            #expect(tensor.shape.dimensions == line[1].split(separator: ",").compactMap { Int($0) })
            let bytes = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            #expect(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == line[2])
        }
    }
}
