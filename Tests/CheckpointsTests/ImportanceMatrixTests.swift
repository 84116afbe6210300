import CheckpointTestSupport
import Checkpoints
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Importance matrices of llama.cpp")
struct ImportanceMatrixTests {
    private typealias Bytes = ImportanceMatrixBytes

    private func fixture(_ name: String) throws -> FilePath {
        FilePath(
            try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures/imatrix"))
                .path)
    }

    /// What the `gguf` library and NumPy make of a fixture: the means of each matrix, by its name in `transformers`.
    private func expected(_ name: String) throws -> [String: [Float]] {
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture("expected.json").string))
        return try #require(JSONDecoder().decode([String: [String: [Float]]].self, from: data)[name])
    }

    private func columns(_ path: FilePath) throws -> [String: [Float]] {
        Dictionary(
            uniqueKeysWithValues: try ImportanceMatrix(path: path).columns.map { ($0.key.rawValue, $0.value) })
    }

    @Test(
        "files of llama-imatrix and of the gguf library have the means that NumPy computes",
        arguments: ["llama-imatrix.gguf", "llama-imatrix.dat", "gguf-library.gguf"])
    func agreement(name: String) throws {
        let matrix = try ImportanceMatrix(path: fixture(name))
        #expect(try columns(fixture(name)) == expected(name))
        let bytes = try contents(of: fixture(name))
        #expect(matrix.name == name && matrix.byteCount == bytes.count)
        #expect(matrix.digest == SHA256.digest(of: bytes))
    }

    @Test("both forms of one measurement have the same means, but for rounding")
    func forms() throws {
        let (new, old) = (try columns(fixture("llama-imatrix.gguf")), try columns(fixture("llama-imatrix.dat")))
        #expect(new.count == 21 && Set(new.keys) == Set(old.keys))
        for (name, means) in new {
            let other = try #require(old[name])
            #expect(zip(means, other).allSatisfy { abs($0 - $1) <= 1e-6 * abs($0) }, "\(name)")
        }
    }

    @Test("a file that breaks a rule is refused with that rule's code", arguments: malformedImportanceMatrices)
    func malformed(file: MalformedImportanceMatrix) throws {
        try expectRefusal(of: file, named: "imatrix") { try ImportanceMatrix(path: $0) }
    }

    @Test("a file of the older form cut at any length is refused, but for a missing description")
    func cuts() throws {
        let folder = try TemporaryFolder()
        let entries = Bytes.data([("blk.0.attn_q.weight", [1, 2], 2), ("blk.0.attn_k.weight", [3, 4], 2)])
        let whole = entries + GGUFBytes.integer(Int32(7)) + GGUFBytes.integer(Int32(3)) + Array("abc".utf8)
        for length in 0...whole.count {
            let path = try folder.write("imatrix.dat", Array(whole.prefix(length)))
            if [entries.count, entries.count + 4, whole.count].contains(length) {
                #expect(try columns(path)["model.layers.0.self_attn.k_proj.weight"] == [1.5, 2])
            } else {
                let error = #expect(throws: PVITError.self, "cut at \(length)") { try ImportanceMatrix(path: path) }
                #expect(error?.code.category == .badData)
            }
        }
    }

    @Test("the columns of a matrix that was not used count the same; the older form keeps its sums, as llama.cpp does")
    func unused() throws {
        let folder = try TemporaryFolder()
        let entries: [Bytes.Entry] = [("blk.3.ffn_down.weight", [0, 5, 0], 0)]
        let name = "model.layers.3.mlp.down_proj.weight"
        #expect(try columns(folder.write("a", Bytes.gguf(entries)))[name] == [1, 1, 1])
        #expect(try columns(folder.write("b", Bytes.data(entries)))[name] == [0, 5, 0])
    }

    @Test("a mean that overflows stays finite")
    func overflow() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a", Bytes.gguf([("blk.0.attn_q.weight", [3e38, 1], 0.25)]))
        #expect(try columns(path).values.first == [.greatestFiniteMagnitude, 4])
    }

    @Test("matrices outside the layers, and tensors of other names, are left out")
    func others() throws {
        let folder = try TemporaryFolder()
        var file = GGUFBytes()
        file.pairs = [GGUFBytes.pair("general.type", "imatrix")]
        for name in ["output.weight", "token_embd.weight", "blk.0.attn_v.weight"] {
            file.add("\(name).in_sum2", .f32, [2, 1], [4, 6].flatMap(littleEndianBytes))
            file.add("\(name).counts", .f32, [1, 1], littleEndianBytes(2))
        }
        file.add("blk.0.attn_v.weight.in_sum", .f16, [2], [0, 0, 0, 0])
        #expect(try columns(folder.write("a", file.bytes)) == ["model.layers.0.self_attn.v_proj.weight": [2, 3]])
    }
}
