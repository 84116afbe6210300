import Checkpoints
import CheckpointTestSupport
import Container
import Conversion
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Converting to a container", .slow)
struct QuantizeTests {
    private func values(_ name: TensorName, of source: any TensorSource) throws -> [Float] {
        let tensor = try #require(source.tensor(named: name))
        return unpacked(try source.bytes(ofRows: 0..<tensor.shape.rows, of: tensor), tensor.elementType)
    }

    @Test(
        "a container in the source's type, or a wider one, holds every number exactly",
        arguments: [ElementType.f16, .bf16, .f32], [QuantizeOptions.Profile.fast, .small])
    func lossless(type: ElementType, profile: QuantizeOptions.Profile) throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.type = type
        let checkpoint = try model.checkpoint()
        for target in [type, .f32] {
            let (container, report) = try convert(
                checkpoint, QuantizeOptions(type: .plain(target), profile: profile), in: folder)
            _ = try container.verify()
            let source = try ContainerSource(container)
            #expect(Set(source.tensors.map(\.name)) == Set(checkpoint.weights.tensors.map(\.name)))
            for tensor in checkpoint.weights.tensors {
                #expect(try values(tensor.name, of: source) == values(tensor.name, of: checkpoint.weights))
            }
            for tensor in try container.tensors() where tensor.role == .parameter {
                let statistics = try #require(tensor.statistics)
                #expect(statistics.squaredError == 0 && statistics.squaredSum > 0)
            }
            #expect(UInt64(container.byteCount) == report.byteCount)
        }
    }

    @Test("tensors lie in the order of a forward pass, and a merged model brings its projectors last")
    func order() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.layers = 11
        model.hidden = 32
        model.inner = 32
        model.extra = [
            ("model.bbox_fc.weight", [32, 4]), ("model.layers.0.self_attn.rotary_emb.inv_freq", [4]),
            ("model.bbox_fc.bias", [32]),
        ]
        let (container, report) = try convert(model.checkpoint(), QuantizeOptions(type: .plain(.f16)), in: folder)
        let names = try container.tensors().filter { $0.role == .parameter }.map(\.name.rawValue)
        let parts = [
            "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        ]
        let layers = (0..<11).flatMap { layer in parts.map { "model.layers.\(layer).\($0).weight" } }
        #expect(
            names == ["model.embed_tokens.weight"] + layers + [
                "model.norm.weight", "lm_head.weight", "model.bbox_fc.bias", "model.bbox_fc.weight",
            ])
        #expect(report.plan.leftOut == ["model.layers.0.self_attn.rotary_emb.inv_freq"])
    }

    @Test("the output layer of a tied model is an alias")
    func tied() throws {
        var model = TinyModel()
        model.isTied = true
        let (container, report) = try convert(
            model.checkpoint(), QuantizeOptions(type: .plain(.f16)), in: TemporaryFolder())
        #expect(try container.tensor(named: "lm_head.weight")?.aliasOf == "model.embed_tokens.weight")
        #expect(!report.plan.entries.contains { $0.tensor.name == "lm_head.weight" })
    }

    @Test("one thread and several give the same bytes, and so do two runs")
    func determinism() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.vocabulary = 10_000
        let checkpoint = try model.checkpoint()
        var files: [[UInt8]] = []
        for threads in [1, 2, 5, 2] {
            let path = folder.path.appending("model.pvq")
            _ = try Quantize.write(
                checkpoint, to: path,
                options: QuantizeOptions(type: .plain(.bf16), profile: .small, threadCount: threads))
            files.append(try contents(of: path))
        }
        #expect(files.allSatisfy { $0 == files[0] })
    }

    @Test("numbers are rounded to the nearest narrower one, and the error is recorded")
    func narrowing() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel(type: .f32).checkpoint()
        let (container, _) = try convert(checkpoint, QuantizeOptions(type: .plain(.bf16)), in: folder)
        let source = try ContainerSource(container)
        let name: TensorName = "model.layers.1.mlp.up_proj.weight"
        let original = try values(name, of: checkpoint.weights)
        let expected = unpacked(packed(original, .bf16), .bf16)
        #expect(try values(name, of: source) == expected)
        let error = zip(original, expected).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let statistics = try #require(container.tensor(named: name)?.statistics)
        #expect(abs(statistics.squaredError - error) <= 1e-9 * error)
        // Norms keep the source's type.
        #expect(try container.tensor(named: "model.norm.weight")?.encoding == .plain(.f32))
    }

    @Test("a number too large for the type, and one that is not a number, are errors that name the tensor")
    func badNumbers() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try TinyModel(type: .f32).checkpoint()
        for (value, code, type) in [
            (Float(1e6), "quantize.overflow", ElementType.f16), (.nan, "quantize.not-finite", .f32),
            (-.infinity, "quantize.not-finite", .bf16),
        ] {
            let altered = AlteredSource(checkpoint.weights) { name, bytes in
                if name == "model.layers.1.mlp.up_proj.weight" {
                    bytes.replaceSubrange(400..<404, with: packed([value], .f32))
                }
            }
            let error = try #require(throws: PVITError.self) {
                try convert(checkpoint.with(weights: altered), QuantizeOptions(type: .plain(type)), in: folder)
            }
            #expect(error.code.name == code)
            #expect(error.tensor == "model.layers.1.mlp.up_proj.weight")
            #expect("\(error)".contains("row 1"))
        }
        #expect(try folder.entries.isEmpty)
    }

    @Test("metadata carry configuration, template, recipe, and the SHA-256 of every source file")
    func provenance() throws {
        let folder = try TemporaryFolder()
        var model = TinyModel()
        model.config = ["unknown_member": ["kept": 1.5]]
        var checkpoint = try model.checkpoint()
        var files = checkpoint.sideFiles
        files[SideFiles.tokenizerConfig] = Array(#"{"chat_template":"{{ messages }}","bos_token":"<s>"}"#.utf8)
        files[SideFiles.sentencePieceModel] = [9, 8, 7]
        checkpoint = try Checkpoint(
            path: checkpoint.path, format: "memory", weights: checkpoint.weights, sideFiles: files, sourceFiles: [])
        try HuggingFaceWriter(shardSize: ByteCount(40_000)).write(checkpoint, to: folder.path.appending("source"))
        let source = try CheckpointSource.open(folder.path.appending("source"))
        let (container, _) = try convert(
            source, QuantizeOptions(type: .plain(.f16), tool: ("pvit", "1.2")), in: folder)
        let metadata = try container.metadata
        #expect(metadata["model.config"]?["unknown_member"]?["kept"] == 1.5)
        #expect(metadata["chat.template"] == "{{ messages }}")
        #expect(metadata["tokenizer.config"]?["bos_token"] == "<s>")
        #expect(metadata["provenance.tool"] == ["name": "pvit", "version": "1.2"])
        #expect(metadata["provenance.recipe"]?["type"] == "f16")
        #expect(try container.attachment("tokenizer.model") == [9, 8, 7])
        #expect(try container.attachment("tokenizer.json") == checkpoint.sideFiles[SideFiles.tokenizerJSON])
        let sources = try #require(metadata["provenance.sources"]?.array)
        #expect(sources.count == source.sourceFiles.count + 4)
        for entry in sources {
            let name = try #require(entry["path"]?.string)
            let bytes = try contents(of: folder.path.appending("source/\(name)"))
            #expect(entry["sha256"]?.string == SHA256.digest(of: bytes).description)
            #expect(entry["bytes"]?.integer == bytes.count)
        }
        // And back: the container is a source that has all of it.
        let again = try ModelSource.open(folder.path.appending("model.pvq"))
        #expect(again.config == source.config)
        #expect(again.sideFiles.presentNames == source.sideFiles.presentNames)
        #expect(again.sideFiles[SideFiles.sentencePieceModel] == [9, 8, 7])
    }

    @Test("an incomplete model, or one of another family, is refused with the reason")
    func architecture() throws {
        let folder = try TemporaryFolder()
        func complaint(_ model: TinyModel, weights: (any TensorSource)? = nil) throws -> PVITError {
            try #require(throws: PVITError.self) {
                try convert(model.checkpoint().with(weights: weights), QuantizeOptions(type: .plain(.f16)), in: folder)
            }
        }
        var partial = AlteredSource(try TinyModel().source())
        partial.tensors.removeAll { $0.name.rawValue.contains("layers.1.mlp") }
        let missing = try complaint(TinyModel(), weights: partial)
        #expect(missing.code.name == "checkpoint.tensors")
        #expect("\(missing)".contains("missing: model.layers.1.mlp.gate_proj.weight"))
        var model = TinyModel()
        model.extra = [("model.layers.2.mlp.up_proj.weight", [96, 64]), ("score.weight", [2, 64])]
        #expect(
            "\(try complaint(model))".contains("unexpected: model.layers.2.mlp.up_proj.weight, score.weight"))
        model.extra = [("model.layers.0.self_attn.q_proj.bias", [64])]
        #expect("\(try complaint(model))".contains("biases are not supported"))
        model.extra = []
        model.config = ["vocab_size": 41]
        #expect("\(try complaint(model))".contains("model.embed_tokens.weight is [40, 64], not [41, 64]"))
        for (config, word) in [
            (["model_type": "gpt2"], "gpt2"), (["attention_bias": true], "attention_bias"),
            (["hidden_size": 0], "hidden_size"), (["num_hidden_layers": 1e18], "num_hidden_layers"),
            (["vocab_size": .null], "vocab_size"), (["hidden_act": "gelu"], "gelu"),
            (["num_attention_heads": "4"], "heads"),
        ] as [(JSONObject, String)] {
            model.config = config
            let error = try complaint(model)
            #expect(error.code.category == .badData)
            #expect("\(error)".contains(word))
        }
        let none = try Checkpoint(
            path: "x", format: "memory", weights: TinyModel().source(), sideFiles: SideFiles(), sourceFiles: [])
        #expect(
            try #require(throws: PVITError.self) { try convert(none, QuantizeOptions(), in: folder) }.code.name
                == "checkpoint.config")
        #expect(try folder.entries.isEmpty)
    }

    @Test("stopped work leaves the earlier file and nothing else")
    func stopping() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("model.pvq", "earlier")
        let checkpoint = try TinyModel().checkpoint()
        for stop in [0, 1, 7, 20] {
            let seen = Counter()
            let error = try #require(throws: PVITError.self) {
                try Quantize.write(
                    checkpoint, to: path, options: QuantizeOptions(type: .plain(.f16), threadCount: 2),
                    monitor: WorkMonitor(isCancelled: { seen.increment() > stop }))
            }
            #expect(error.code == .cancelled)
            #expect(try folder.entries == ["model.pvq"])
            #expect(try contents(of: path) == Array("earlier".utf8))
        }
    }

    @Test("progress rises to the total, and the file has its name only at the end")
    func progress() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("model.pvq")
        let steps = Steps()
        _ = try Quantize.write(
            TinyModel().checkpoint(), to: path, options: QuantizeOptions(type: .plain(.f32), threadCount: 3),
            monitor: WorkMonitor(report: { done, total in
                steps.add(done, total)
                #expect(!FileManager.default.fileExists(atPath: path.string))
            }))
        let values = steps.values
        #expect(zip(values, values.dropFirst()).allSatisfy { $0.done < $1.done })
        #expect(values.last?.done == values.last?.total)
    }

    @Test("a full disk is an error before the work begins", .enabled(if: SmallDisk.isPossible, "mounting needs root"))
    func fullDisk() throws {
        let disk = try SmallDisk(byteCount: 1 << 20)
        let error = try #require(throws: PVITError.self) {
            try Quantize.write(
                TinyModel().checkpoint(), to: disk.path.appending("a.pvq"), options: QuantizeOptions(type: .plain(.f32))
            )
        }
        #expect(error.code == .tooLittleSpace)
        #expect(try disk.entries.isEmpty)
    }
}

/// Reports of progress, collected from any thread.
private final class Steps: @unchecked Sendable {
    // Guarded by `lock`.
    private var steps: [(done: UInt64, total: UInt64)] = []
    private let lock = NSLock()

    func add(_ done: UInt64, _ total: UInt64) { lock.withLock { steps.append((done, total)) } }

    var values: [(done: UInt64, total: UInt64)] { lock.withLock { steps } }
}
