import CheckpointTestSupport
import Checkpoints
import Container
import Conversion
import Storage
import Tensors
import Testing

@Suite("Quantizing with an importance matrix of llama.cpp")
struct ImportanceSourceTests {
    private typealias Bytes = ImportanceMatrixBytes

    private static let matrices = [
        "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
    ]

    /// Importance for every matrix of `TinyModel`: `value` of a column, of those with 64 columns or 96.
    private func entries(layers: Int = 2, _ value: (Int) -> Float) -> [Bytes.Entry] {
        (0..<layers).flatMap { layer in
            Self.matrices.map { matrix in
                ("blk.\(layer).\(matrix).weight", (0..<(matrix == "ffn_down" ? 96 : 64)).map(value), 8)
            }
        }
    }

    private func options(
        _ bytes: [UInt8], in folder: TemporaryFolder, type: TensorEncoding = .q4, threads: Int = 1
    ) throws -> QuantizeOptions {
        let matrix = try ImportanceMatrix(path: folder.write("imatrix.gguf", bytes))
        return QuantizeOptions(type: type, importance: .matrix(matrix), threadCount: threads)
    }

    @Test("the recipe records the file")
    func recipe() throws {
        let folder = try TemporaryFolder()
        let bytes = Bytes.gguf(entries { Float($0) })
        let container = try convert(TinyModel().checkpoint(), options(bytes, in: folder), in: folder).container
        let recipe = try #require(try container.metadata["provenance.recipe"])
        #expect(recipe["importance"] == "imatrix" && recipe["calibration"] == nil)
        #expect(recipe["imatrix"]?["path"] == "imatrix.gguf")
        #expect(recipe["imatrix"]?["bytes"] == .integer(bytes.count))
        #expect(recipe["imatrix"]?["sha256"] == .string(SHA256.digest(of: bytes).description))
    }

    @Test("only the proportions of the importance matter, whatever the form of the file and the number of threads")
    func proportions() throws {
        let folder = try TemporaryFolder()
        func content(_ bytes: [UInt8], threads: Int) throws -> ModelDigest {
            try convert(TinyModel().checkpoint(), options(bytes, in: folder, threads: threads), in: folder).report
                .digest
        }
        let digest = try content(Bytes.gguf(entries { Float($0 % 7 + 1) }), threads: 1)
        #expect(try content(Bytes.gguf(entries { Float($0 % 7 + 1) * 4 }), threads: 3) == digest)
        #expect(try content(Bytes.data(entries { Float($0 % 7 + 1) }), threads: 2) == digest)
        #expect(try content(Bytes.gguf(entries { Float($0 % 5 + 1) }), threads: 2) != digest)
    }

    @Test("a column that matters more has a smaller error in every matrix")
    func errors() throws {
        let folder = try TemporaryFolder()
        let model = TinyModel()
        let source = try model.source()
        /// The sum of squared errors of the first column of each block of 16, for each matrix.
        func errors(_ importance: (Int) -> Float) throws -> [TensorName: Float] {
            let container = try convert(
                model.checkpoint(), options(Bytes.gguf(entries(importance)), in: folder), in: folder
            ).container
            var errors: [TensorName: Float] = [:]
            let decoded = try ContainerSource(container)
            for tensor in source.tensors where tensor.name.rawValue.hasSuffix("_proj.weight") {
                let written = try #require(decoded.tensor(named: tensor.name))
                let width = tensor.shape.elementsPerRow
                let original = unpacked(try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor), .f16)
                let result = unpacked(
                    try decoded.bytes(ofRows: 0..<tensor.shape.rows, of: written), written.elementType)
                for index in original.indices where index % width % 16 == 0 {
                    let error = original[index] - result[index]
                    errors[tensor.name, default: 0] += error * error
                }
            }
            return errors
        }
        let (uniform, weighted) = (try errors { _ in 1 }, try errors { $0 % 16 == 0 ? 1000 : 1 })
        #expect(uniform.count == 14)
        for (name, error) in uniform { #expect(try #require(weighted[name]) < error * 0.5, "\(name)") }
    }

    @Test("an importance matrix of another model is refused, naming the matrix, and nothing is written")
    func otherModel() throws {
        let folder = try TemporaryFolder()
        var (missing, narrow, more) = (entries { _ in 1 }, entries { _ in 1 }, entries { _ in 1 })
        missing.remove(at: 10)
        narrow[6].sums.removeLast()
        more.append(("blk.2.attn_q.weight", [Float](repeating: 1, count: 64), 8))
        for (entries, name, words) in [
            (missing, "model.layers.1.self_attn.o_proj.weight", "no importance"),
            (narrow, "model.layers.0.mlp.down_proj.weight", "95 columns"),
            (more, "model.layers.2.self_attn.q_proj.weight", "does not have"),
        ] {
            let options = try options(Bytes.gguf(entries), in: folder)
            let error = #expect(throws: PVITError.self) {
                try Quantize.write(
                    TinyModel().checkpoint(), to: folder.path.appending("model.pvq"), options: options)
            }
            #expect(error?.code == .imatrixOtherModel && error?.tensor == TensorName(name))
            #expect(error?.what.contains(words) == true, "\(String(describing: error))")
        }
        #expect(try folder.entries == ["imatrix.gguf"])
    }

    @Test("matrices that are not quantized need no importance")
    func keptFloat() throws {
        let folder = try TemporaryFolder()
        let bytes = Bytes.gguf(entries(layers: 1) { _ in 1 })
        var options = try options(bytes, in: folder)
        options.overrides = [try .init(parsing: "model.layers.1.*=f16")]
        _ = try convert(TinyModel().checkpoint(), options, in: folder)
        let plain = try convert(
            TinyModel().checkpoint(), self.options(bytes, in: folder, type: .plain(.f16)), in: folder)
        #expect(try plain.container.metadata["provenance.recipe"]?["importance"] == "none")
    }
}
