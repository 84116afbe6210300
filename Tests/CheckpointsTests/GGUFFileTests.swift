import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
    @Test("a file that breaks a rule is refused with that rule's code", arguments: malformedGGUFs)
    func malformed(file: MalformedGGUF) throws {
        let error = try expectRefusal(of: file, named: "model.gguf") { try GGUFFile(path: $0) }
        if file.namesBytes {
            let bytes = try #require(error.bytes)
            #expect(bytes.upperBound <= UInt64(file.bytes.count) || file.code == "gguf.truncated")
        }
    }

    @Test("a file built here has the same tensors for the reference implementation", .needsPython)
    func referenceReadsOurs() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("model.gguf", tinyLlamaGGUF(type: .q80).bytes)
        let listing = try Python.run(
            """
            import sys
            from gguf import GGUFReader
            for t in GGUFReader(sys.argv[1]).tensors:
                print(t.name, t.tensor_type.name, ",".join(str(d) for d in reversed(t.shape.tolist())), sep="|")
            """, path.string)
        let file = try GGUFFile(path: path)
        let own = file.tensors.map { tensor in
            "\(tensor.name)|\(file.storedType(of: tensor.name)?.description ?? "")|"
                + tensor.shape.dimensions.map(String.init).joined(separator: ",")
        }
        #expect(Set(listing.split(separator: "\n").map(String.init)) == Set(own))
    }

    @Test("a file cut at any length is refused")
    func cuts() throws {
        let folder = try TemporaryFolder()
        let whole = tinyLlamaGGUF(type: .q40)
        // The padding behind the last tensor belongs to nothing.
        let bytes = whole.bytes
        let step = bytes.count - whole.data.count
        let end = step + Int(whole.records.last?.offset ?? 0) + 8 * 18
        #expect(try GGUFFile(path: folder.write("whole", Array(bytes.prefix(end)))).tensors.count == 12)
        let lengths = Array(0..<step) + Array(stride(from: step, to: end, by: 97)) + [end - 1]
        try expectRefusals(of: bytes, cutTo: lengths) { try GGUFFile(path: $0) }
    }

    @Test("empty files, scalars, empty tensors, gaps, other alignments and odd names are fine")
    func unusual() throws {
        let folder = try TemporaryFolder()
        let none = try GGUFFile(path: folder.write("none", GGUFBytes().bytes))
        #expect(none.tensors.isEmpty)
        var file = GGUFBytes()
        file.version = 2
        file.alignment = 8
        file.pairs = [GGUFBytes.pair("general.alignment", UInt32(8))]
        file.records = [
            .init("é\n", [], type: 28, offset: 16), .init("empty", [0, 7], type: 1, offset: 8),
            .init("bytes", [2, 3], type: 24, offset: 0),
        ]
        file.data = [1, 2, 3, 4, 5, 0xFA, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
        let read = try GGUFFile(path: folder.write("odd", file.bytes))
        #expect(read.tensors.map(\.name) == ["bytes", "empty", "é\n"])
        #expect(read.tensors.map(\.elementType) == [.i8, .f16, .f64])
        #expect(read.tensors.map(\.shape.dimensions) == [[3, 2], [7, 0], []])
        #expect(try read.bytes(ofRows: 1..<3, of: read.tensors[0]) == [3, 4, 5, 0xFA])
        #expect(try read.bytes(ofRows: 2..<7, of: read.tensors[1]).isEmpty)
        #expect(try read.bytes(ofRows: 0..<1, of: read.tensors[2]) == [0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
    }

    @Test("elements of a quantized vector can be read one by one")
    func quantizedVector() throws {
        let folder = try TemporaryFolder()
        var file = GGUFBytes()
        // Two blocks of scale 0.5 and 2.
        let codes = (0..<32).map { UInt8(bitPattern: Int8($0 - 16)) }
        let blocks: [[UInt8]] = [[0x00, 0x38], codes, [0x00, 0x40], codes]
        file.add("v", .q80, [64], Array(blocks.joined()))
        let read = try GGUFFile(path: folder.write("vector", file.bytes))
        let expected = (0..<64).map { place -> Float in Float(place % 32 - 16) * (place < 32 ? 0.5 : 2) }
        #expect(unpacked(try read.bytes(ofRows: 0..<64, of: read.tensors[0]), .f32) == expected)
        #expect(unpacked(try read.bytes(ofRows: 30..<35, of: read.tensors[0]), .f32) == Array(expected[30..<35]))
        #expect(unpacked(try read.bytes(ofRows: 63..<64, of: read.tensors[0]), .f32) == [30])
    }

    @Test("values of every type are read, and none as another type")
    func values() throws {
        let folder = try TemporaryFolder()
        var file = GGUFBytes()
        file.pairs = [
            GGUFBytes.pair("u8", type: 0, [200]), GGUFBytes.pair("i8", type: 1, [200]),
            GGUFBytes.pair("i16", type: 3, [0xFE, 0xFF]), GGUFBytes.pair("u16", UInt16(65535)),
            GGUFBytes.pair("u32", UInt32.max), GGUFBytes.pair("i32", type: 5, [0xFF, 0xFF, 0xFF, 0xFF]),
            GGUFBytes.pair("u64", type: 10, GGUFBytes.integer(UInt64.max)),
            GGUFBytes.pair("i64", type: 11, GGUFBytes.integer(Int64.min)), GGUFBytes.pair("f32", Float(1e-5)),
            GGUFBytes.pair("f64", type: 12, GGUFBytes.integer(Double(0.1).bitPattern)),
            GGUFBytes.pair("nan", Float.nan), GGUFBytes.pair("yes", true), GGUFBytes.pair("maybe", type: 7, [2]),
            GGUFBytes.pair("text", "é\0x"), GGUFBytes.pair("bad text", type: 8, GGUFBytes.integer(UInt64(1)) + [0xFF]),
            GGUFBytes.pair("texts", ["", "b"]), GGUFBytes.pair("numbers", [1, 2.5] as [Float]),
            GGUFBytes.pair("integers", [-1, 7] as [Int32]), GGUFBytes.array("none", type: 8, count: 0, []),
        ]
        let read = try GGUFFile(path: folder.write("values", file.bytes))
        #expect(try read.integer("u8") == 200)
        #expect(try read.integer("i8") == -56)
        #expect(try read.integer("i16") == -2)
        #expect(try read.integer("u16") == 65535)
        #expect(try read.integer("u32") == 4_294_967_295)
        #expect(try read.integer("i32") == -1)
        #expect(try read.integer("i64") == .min)
        #expect(try read.number("f32") == 1e-5)
        #expect(try read.number("f64") == 0.1)
        #expect(try read.number("u8") == 200)
        #expect(try read.bool("yes") == true)
        #expect(try read.string("text") == "é\0x")
        #expect(try read.strings("texts") == ["", "b"])
        #expect(try read.strings("none") == [])
        #expect(try read.numbers("numbers") == [1, 2.5])
        #expect(try read.integers("integers") == [-1, 7])
        #expect(try read.integer("absent") == nil)
        let wrong: [(String, () throws -> Void)] = [
            ("gguf.metadata", { _ = try read.integer("u64") }), ("gguf.metadata", { _ = try read.number("nan") }),
            ("gguf.value-type", { _ = try read.bool("maybe") }), ("gguf.text", { _ = try read.string("bad text") }),
            ("gguf.metadata", { _ = try read.string("u8") }), ("gguf.metadata", { _ = try read.integer("text") }),
            ("gguf.metadata", { _ = try read.integer("integers") }), ("gguf.metadata", { _ = try read.bool("u8") }),
            ("gguf.metadata", { _ = try read.strings("text") }), ("gguf.metadata", { _ = try read.strings("numbers") }),
            ("gguf.metadata", { _ = try read.numbers("texts") }),
            ("gguf.metadata", { _ = try read.integers("numbers") }),
        ]
        for (code, body) in wrong {
            let error = try #require(throws: PVITError.self) { try body() }
            #expect(error.code.name == code)
            #expect(error.file != nil && error.bytes != nil)
        }
    }
}
