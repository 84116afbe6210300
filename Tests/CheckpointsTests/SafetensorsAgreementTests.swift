import Checkpoints
import CheckpointTestSupport
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Agreement with the safetensors library", .needsPython)
struct SafetensorsAgreementTests {
    @Test("files written by the library are read with the same types, shapes and bytes")
    func readsTheirs() throws {
        let folder = try TemporaryFolder()
        let listing = try Python.run(
            """
            import sys, numpy as np
            from safetensors.numpy import save_file
            r = np.random.default_rng(3)
            types = dict(F64="f8", F32="f4", F16="f2", I64="i8", I32="i4", I16="i2", I8="i1", U8="u1", BOOL="?")
            tensors = {f"{k}{s}": np.asarray(r.standard_normal(s) * 9).astype(v)
                       for k, v in types.items() for s in [(), (0,), (5,), (3, 4), (2, 3, 5)]}
            save_file(tensors, sys.argv[1], metadata={"k": "v\\n\\u00e9"})
            for n, t in tensors.items():
                print(n, n.split("(")[0].lower(), ",".join(map(str, t.shape)), t.tobytes().hex(), sep="|")
            """, folder.path.appending("theirs").string)
        let file = try SafetensorsFile(path: folder.path.appending("theirs"))
        #expect(file.header.metadata == ["k": "v\né"])
        let lines = listing.split(separator: "\n")
        #expect(lines.count == file.tensors.count)
        for line in lines {
            let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            let tensor = try #require(file.tensor(named: TensorName(parts[0])))
            #expect(tensor.elementType.rawValue == parts[1])
            #expect(tensor.shape.dimensions == parts[2].split(separator: ",").compactMap { Int($0) })
            let bytes = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            #expect(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == parts[3])
        }
    }

    @Test("files written here are read by the library with the same types, shapes and bytes")
    func theyReadOurs() throws {
        let folder = try TemporaryFolder()
        let types: [ElementType] = [.u8, .f16, .f64, .i16, .f32, .bool, .i64, .i8, .i32]
        let source = try ArraySource(
            types.flatMap { type in
                [[], [3], [0, 2], [2, 5]].map { shape in
                    let count = shape.reduce(1, *) * type.byteCount
                    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: type == .bool ? $0 & 1 : $0 * 37 + 11) }
                    return ("\(type) \"\(shape)\"\n", type, shape, bytes)
                }
            })
        let checkpoint = try Checkpoint(
            path: folder.path, format: "memory", weights: source, sideFiles: SideFiles(), sourceFiles: [])
        let output = folder.path.appending("ours")
        try HuggingFaceWriter().write(checkpoint, to: output)
        let report = try Python.run(
            """
            import sys
            from safetensors import safe_open
            names = dict(float16="f16", float32="f32", float64="f64", int64="i64", int32="i32", int16="i16", int8="i8",
                         uint8="u8", bool="bool")
            with safe_open(sys.argv[1], "np") as f:
                assert f.metadata() == {"format": "pt"}, f.metadata()
                for n in f.keys():
                    t = f.get_tensor(n)
                    assert n == f'{names[t.dtype.name]} "[{", ".join(map(str, t.shape))}]"\\n', n
                    print(n.replace("\\n", ""), t.tobytes().hex(), sep="|")
            """, output.appending("model.safetensors").string)
        let lines = report.split(separator: "\n").map { $0.split(separator: "|", omittingEmptySubsequences: false) }
        #expect(lines.count == source.tensors.count)
        for line in lines {
            let tensor = try #require(source.tensor(named: TensorName(line[0] + "\n")))
            let bytes = try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            #expect(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == line[1])
        }
    }
}
