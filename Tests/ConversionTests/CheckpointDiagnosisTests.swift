import Architectures
import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Recognising checkpoints")
struct CheckpointDiagnosisTests {
    private func checkpoint(_ shapes: [String: [Int]], config: JSONObject = [:]) throws -> Checkpoint {
        let entries = shapes.sorted { $0.key < $1.key }.map { name, shape in
            (
                name: name, type: ElementType.f16, shape: shape,
                bytes: [UInt8](repeating: 0, count: 2 * shape.reduce(1, *))
            )
        }
        return try Checkpoint(
            path: "/some/folder", format: "memory", weights: ArraySource(entries),
            sideFiles: SideFiles([SideFiles.config: JSONValue.object(config).encoded()]), sourceFiles: [])
    }

    private static let layer = "model.layers.0.self_attn.q_proj."

    @Test(
        "adapters, quantizers' codes, optimizers, other libraries' models and empty stubs are recognised in every role",
        arguments: [
            ([layer + "lora_A.weight": [2, 4], layer + "lora_B.weight": [4, 2]], [:], "LoRA adapter"),
            ([layer + "qweight": [2]], ["quantization_config": ["quant_method": "gptq", "bits": 4]], "GPTQ to 4 bits"),
            ([layer + "qweight": [2]], ["quantization_config": ["quant_method": "awq"]], "by AWQ"),
            ([layer + "weight": [2], layer + "weight.absmax": [2]], [:], "by bitsandbytes"),
            (
                [layer + "weight_packed": [2]], ["quantization_config": ["quant_method": "compressed-tensors"]],
                "compressed"
            ),
            ([layer + "weight": [2], layer + "weight_scale_inv": [1]], [:], "by FP8"),
            (["state.0.exp_avg": [2], "state.0.exp_avg_sq": [2]], [:], "optimizer"),
            (["conv_in.weight": [2]], ["_class_name": "UNet2DConditionModel"], "UNet2DConditionModel"),
            (["model.embed_tokens.weight": [0], "model.norm.weight": [4]], [:], "1 of 2 tensors are empty"),
        ] as [([String: [Int]], JSONObject, String)])
    func foreign(shapes: [String: [Int]], config: JSONObject, words: String) throws {
        let foreign = try checkpoint(shapes, config: config)
        #expect(try CheckpointDiagnosis.findings(on: foreign).first?.contains(words) == true)
        let model = try TinyModel().checkpoint()
        let folder = try TemporaryFolder()
        let attempts: [() throws -> Void] = [
            { _ = try QuantizePlan(for: foreign, options: QuantizeOptions()) },
            { _ = try Quantize.write(foreign, to: folder.path.appending("a"), options: QuantizeOptions()) },
            { _ = try GGUFExport.write(foreign, to: folder.path.appending("a"), type: .f16) },
            { _ = try DeltaMerge.merge(base: model, delta: foreign) },
            { _ = try DeltaMerge.merge(base: foreign, delta: model) },
            { _ = try DeltaMerge.difference(base: model, target: foreign) },
        ]
        for attempt in attempts {
            let error = try #require(throws: PVITError.self) { try attempt() }
            #expect([.notAModel, .quantizedCheckpoint].contains(error.code) && error.what.contains(words), "\(error)")
            #expect(error.file == "/some/folder" && error.remedy != nil)
        }
        #expect(try folder.entries.isEmpty)
    }

    @Test("a configuration that is left over from a quantizer says nothing about floating-point weights")
    func leftOver() throws {
        var model = TinyModel()
        model.config = ["quantization_config": ["quant_method": "bitsandbytes"]]
        #expect(try CheckpointDiagnosis.findings(on: model.checkpoint()).isEmpty)
    }

    @Test("an error about missing or unexpected tensors names the file and a remedy")
    func tensors() throws {
        var model = TinyModel()
        model.extra = [("model.layers.0.unknown.weight", [2])]
        let error = try #require(throws: PVITError.self) {
            _ = try QuantizePlan(for: model.checkpoint(), options: QuantizeOptions())
        }
        #expect(error.code == .checkpointTensors && error.file == "tiny" && error.remedy != nil)
        let whole = try model.checkpoint()
        let shard = try Checkpoint(
            path: "folder/model-00001-of-00002.safetensors", format: "safetensors", weights: whole.weights,
            sideFiles: whole.sideFiles,
            sourceFiles: [Checkpoint.SourceFile(path: "folder/model-00001-of-00002.safetensors", byteCount: 1)])
        let partial = try #require(throws: PVITError.self) {
            _ = try QuantizePlan(for: shard, options: QuantizeOptions())
        }
        #expect(partial.remedy?.contains("one shard of several") == true)
    }

    @Test("tables of angles and the extra state of modules are left out")
    func unread() throws {
        var model = TinyModel()
        model.extra = [
            ("model.layers.0.self_attn.rotary_emb.cos_cached", [1, 1, 4, 8]),
            ("model.layers.0.self_attn.rotary_emb.sin_cached", [1, 1, 4, 8]), ("model.norm._extra_state", [0]),
        ]
        let plan = try QuantizePlan(for: model.checkpoint(), options: QuantizeOptions())
        #expect(plan.leftOut.count == 3 && plan.entries.count == 21)
        let (base, delta) = (try TinyModel().checkpoint(), try model.checkpoint())
        #expect(try DeltaMerge.difference(base: base, target: delta).ignored.count == 3)
    }

    @Test("a member that is read must be finite")
    func notFinite() throws {
        for key in ["rope_theta", "rms_norm_eps"] {
            var model = TinyModel()
            model.config = [key: .number(.infinity)]
            // As Python would write it.
            let checkpoint = try model.checkpoint()
            var files = checkpoint.sideFiles
            let text = String(decoding: try #require(files[SideFiles.config]), as: UTF8.self)
            files[SideFiles.config] = Array(text.replacing(#"{"__float__":"Infinity"}"#, with: "Infinity").utf8)
            let written = try Checkpoint(
                path: "m", format: "memory", weights: checkpoint.weights, sideFiles: files, sourceFiles: [])
            #expect(written.config?[key]?.double == .infinity)
            let error = try #require(throws: PVITError.self) {
                _ = try QuantizePlan(for: written, options: QuantizeOptions())
            }
            #expect(error.code.name == "model.config" && error.what.contains(key))
        }
    }
}
