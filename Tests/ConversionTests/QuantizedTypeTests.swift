import TestSupport
import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Quantized types and exceptions")
struct QuantizedTypeTests {
    private func encodings(_ container: Container) throws -> [String: TensorEncoding] {
        Dictionary(
            uniqueKeysWithValues: try container.tensors().filter { $0.role == .parameter && $0.aliasOf == nil }
                .map { ($0.name.rawValue, $0.encoding) })
    }

    private func overrides(_ texts: String...) throws -> [QuantizeOptions.Override] {
        try texts.map { try QuantizeOptions.Override(parsing: $0) }
    }

    @Test("linear matrices get the type, embeddings and output q8, norms and projectors stay as they are")
    func types() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.extra = [("model.mm_projector.weight", [64, 64]), ("model.mm_projector.bias", [64])]
        for type in [TensorEncoding.q4, .q8] {
            let (container, report) = try convert(model.checkpoint(), QuantizeOptions(type: type), in: folder)
            _ = try container.verify()
            for (name, encoding) in try encodings(container) {
                if name.hasSuffix("_proj.weight") {
                    #expect(encoding == type, "\(name)")
                } else if name == "lm_head.weight" || name == "model.embed_tokens.weight" {
                    #expect(encoding == .q8)
                } else {
                    #expect(encoding == .plain(.f16), "\(name)")
                }
            }
            #expect(report.plan.keptFloat.isEmpty)
        }
    }

    @Test("rows that are not a multiple of 32 stay float, and the report lists them")
    func oddRows() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.inner = 40
        let (container, report) = try convert(model.checkpoint(), QuantizeOptions(type: .q4), in: folder)
        #expect(
            report.plan.keptFloat == ["model.layers.0.mlp.down_proj.weight", "model.layers.1.mlp.down_proj.weight"])
        let encodings = try encodings(container)
        #expect(encodings["model.layers.0.mlp.down_proj.weight"] == .plain(.f16))
        #expect(encodings["model.layers.0.mlp.up_proj.weight"] == .q4)
    }

    @Test(
        "decoded weights differ from the originals by exactly what the statistics say",
        arguments: [TensorEncoding.q4, .q8])
    func statistics(type: TensorEncoding) throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel(type: .bf16).checkpoint()
        let (container, report) = try convert(checkpoint, QuantizeOptions(type: type, threadCount: 2), in: folder)
        let source = try ContainerSource(container)
        for entry in report.plan.entries {
            let statistics = try #require(container.tensor(named: entry.tensor.name)?.statistics)
            let decodedTensor = try #require(source.tensor(named: entry.tensor.name))
            let rows = 0..<entry.tensor.shape.rows
            let original = unpacked(try checkpoint.weights.bytes(ofRows: rows, of: entry.tensor), .bf16)
            let decoded = unpacked(try source.bytes(ofRows: rows, of: decodedTensor), decodedTensor.elementType)
            let differences = zip(original, decoded).map { Double($0) - Double($1) }
            let squares = differences.reduce(0) { $0 + $1 * $1 }
            #expect(abs(statistics.squaredError - squares) <= 1e-5 * squares + 1e-15, "\(entry.tensor.name)")
            #expect(abs(statistics.maximumError - (differences.map(\.magnitude).max() ?? 0)) <= 1e-7)
            #expect(statistics.count == original.count)
            if entry.encoding == type { #expect(statistics.relativeRMSE < (type == .q8 ? 0.01 : 0.15)) }
            // Any range of rows decodes to the same numbers as the whole.
            let some = 17 % rows.count..<min(19, rows.count)
            let width = entry.tensor.shape.elementsPerRow
            if some.lowerBound < some.upperBound {
                let part = unpacked(try source.bytes(ofRows: some, of: decodedTensor), decodedTensor.elementType)
                #expect(part == Array(decoded[some.lowerBound * width..<some.upperBound * width]))
            }
        }
    }

    @Test("one thread and several give the same bytes", .slow, arguments: [TensorEncoding.q4, .q8])
    func determinism(type: TensorEncoding) throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        // Matrices of two tiles.
        model.layers = 1
        model.hidden = 128
        model.inner = 7360
        let checkpoint = try model.checkpoint()
        var files: [[UInt8]] = []
        for threads in [1, 3] {
            let path = folder.path.appending("model.pvq")
            _ = try Quantize.write(checkpoint, to: path, options: QuantizeOptions(type: type, threadCount: threads))
            files.append(try contents(of: path))
        }
        #expect(files.allSatisfy { $0 == files[0] })
    }

    @Test("overrides give tensors another type, and the last match wins")
    func overriding() throws {
        let folder = try TemporaryFolder()
        let options = try QuantizeOptions(
            type: .q4,
            overrides: overrides(
                "*.mlp.*=q8", "model.layers.1.*_proj.weight=f16", "*.1.mlp.up_proj.weight=q4", "lm_head.weight=bf16",
                "model.norm.weight=f32"))
        let (container, _) = try convert(TinyModel().checkpoint(), options, in: folder)
        let encodings = try encodings(container)
        #expect(encodings["model.layers.0.mlp.up_proj.weight"] == .q8)
        #expect(encodings["model.layers.0.self_attn.q_proj.weight"] == .q4)
        #expect(encodings["model.layers.1.self_attn.q_proj.weight"] == .plain(.f16))
        #expect(encodings["model.layers.1.mlp.down_proj.weight"] == .plain(.f16))
        #expect(encodings["model.layers.1.mlp.up_proj.weight"] == .q4)
        #expect(encodings["lm_head.weight"] == .plain(.bf16))
        #expect(encodings["model.norm.weight"] == .plain(.f32))
        #expect(encodings["model.embed_tokens.weight"] == .q8)
        #expect(try container.metadata["provenance.recipe"]?["overrides"]?.array?.count == 5)
    }

    @Test("an override that matches nothing, or has an impossible type, is an error")
    func badOverrides() throws {
        let folder = try TemporaryFolder()
        func error(_ override: String) throws -> PVITError {
            try #require(throws: PVITError.self) {
                try convert(
                    TinyModel().checkpoint(), QuantizeOptions(type: .q8, overrides: overrides(override)), in: folder)
            }
        }
        #expect(try error("model.layers.2.*=q4").code == .badOverride)
        #expect(try error("*norm*=q4").code == .badOverride)
        let vector = try error("model.norm.weight=q4")
        #expect(vector.code == .typeNotPossible)
        #expect(vector.tensor?.rawValue.contains("norm") == true)
        for text in ["", "=q4", "a", "a=q5", "a=i8", "a=Q4 "] {
            #expect(throws: PVITError.self) { try QuantizeOptions.Override(parsing: text) }
        }
        #expect(try QuantizeOptions.Override(parsing: "a=b=q4").pattern == "a=b")
        #expect(try folder.entries.isEmpty)
    }

    @Test("a damaged weight is the error, not the work that it stopped", arguments: [1, 2, 4])
    func badNumber(threads: Int) throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel().checkpoint()
        let altered = AlteredSource(checkpoint.weights) { name, bytes in
            if name == "model.layers.0.self_attn.v_proj.weight" { bytes.replaceSubrange(256..<258, with: [0, 0x7C]) }
        }
        let error = try #require(throws: PVITError.self) {
            try convert(
                checkpoint.with(weights: altered), QuantizeOptions(type: .q4, threadCount: threads), in: folder)
        }
        #expect(error.code.name == "quantize.not-finite")
        #expect(error.tensor == "model.layers.0.self_attn.v_proj.weight")
        #expect("\(error)".contains("row 2"))
        #expect(try folder.entries.isEmpty)
    }

    @Test("the fast profile stores the matrices that every token needs")
    func profiles() throws {
        let folder = try TemporaryFolder()
        for isTied in [false, true] {
            var model = TinyModel()
            model.isTied = isTied
            let (container, _) = try convert(model.checkpoint(), QuantizeOptions(type: .plain(.bf16)), in: folder)
            func codec(_ name: TensorName) throws -> TileCodec {
                let tensor = try #require(try container.tensor(named: name))
                return try container.tile(0, of: tensor).codec
            }
            #expect(try codec("model.layers.0.mlp.up_proj.weight") == .stored)
            #expect(try codec("lm_head.weight") == .stored)
            #expect(try codec("model.embed_tokens.weight") == (isTied ? .stored : .zstdPlanes))
            let (small, _) = try convert(
                model.checkpoint(), QuantizeOptions(type: .plain(.bf16), profile: .small), in: folder)
            let tensor = try #require(try small.tensor(named: "model.layers.0.mlp.up_proj.weight"))
            #expect(try small.tile(0, of: tensor).codec == .zstdPlanes)
        }
    }
}
