import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Export as GGUF", .slow)
struct GGUFExportTests {
    /// The tiny model with a byte-level tokenizer.
    private func model(_ tiny: TinyModel = TinyModel(), tokenizer: JSONValue? = nil) throws -> Checkpoint {
        var files = try tiny.checkpoint().sideFiles
        let plain: JSONValue = [
            "added_tokens": [
                ["id": 0, "content": "<s>", "special": true], ["id": 6, "content": "<tool>", "special": false],
            ],
            "pre_tokenizer": [
                "type": "Sequence",
                "pretokenizers": [
                    ["type": "Digits", "individual_digits": true],
                    ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
                ],
            ],
            "post_processor": .null,
            "model": [
                "type": "BPE", "vocab": ["<s>": 0, "a": 1, "b": 2, "ab": 3, "Ġ": 4, "Ġa": 5],
                "merges": ["a b", ["Ġ", "a"]],
            ],
        ]
        files[SideFiles.tokenizerJSON] = (tokenizer ?? plain).encoded()
        files[SideFiles.tokenizerConfig] = Array(#"{"bos_token":"<s>","chat_template":"{{ x }}"}"#.utf8)
        let original = try tiny.checkpoint()
        return try Checkpoint(
            path: "tiny", format: "memory", weights: original.weights, sideFiles: files, sourceFiles: [])
    }

    /// Reads a GGUF file and a safetensors folder with other people's libraries and prints how the former's tensors
    /// differ from what they should be.
    private static let compare = """
        import sys, numpy as np
        from collections import Counter
        from gguf import GGUFReader
        from gguf.quants import quantize
        from safetensors import safe_open
        with safe_open(sys.argv[2] + "/model.safetensors", "np") as f: source = {k: f.get_tensor(k) for k in f.keys()}
        parts = dict(attn_q="self_attn.q_proj", attn_k="self_attn.k_proj", attn_v="self_attn.v_proj",
                     attn_output="self_attn.o_proj", ffn_gate="mlp.gate_proj", ffn_up="mlp.up_proj",
                     ffn_down="mlp.down_proj", attn_norm="input_layernorm", ffn_norm="post_attention_layernorm")
        whole = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
                 "output.weight": "lm_head.weight"}
        reader = GGUFReader(sys.argv[1])
        field = lambda k: reader.fields[k].contents()
        heads = {"attn_q": field("llama.attention.head_count"), "attn_k": field("llama.attention.head_count_kv")}
        for t in reader.tensors:
            part = t.name.split(".")[2] if t.name.startswith("blk.") else ""
            name = whole.get(t.name) or f"model.layers.{t.name.split('.')[1]}.{parts[part]}.weight"
            w = source.pop(name).astype(np.float32)
            if part in heads: w = w.reshape(heads[part], 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
            assert list(t.shape) == list(w.shape[::-1]), t.name
            assert t.data_offset % 32 == 0
            if quantize(np.ascontiguousarray(w), t.tensor_type).tobytes() != t.data.tobytes(): print("differs:", t.name)
        print("left:", sorted(source))
        print(sorted(Counter(t.tensor_type.name for t in reader.tensors).items()))
        """

    @Test(
        "every tensor is encoded as the gguf library does, bit for bit",
        .needsPython,
        arguments: [
            (GGUFWeightType.f32, "[('F32', 21)]"), (.f16, "[('F16', 16), ('F32', 5)]"),
            (.bf16, "[('BF16', 16), ('F32', 5)]"), (.q80, "[('F32', 5), ('Q8_0', 16)]"),
            (.q40, "[('F32', 5), ('Q4_0', 15), ('Q8_0', 1)]"), (.q41, "[('F32', 5), ('Q4_1', 15), ('Q8_0', 1)]"),
        ])
    func encodings(type: GGUFWeightType, counts: String) throws {
        let folder = try TemporaryFolder()
        let tiny = TinyModel(type: .f32)
        // Blocks of zeros, of one number, of very small and very large ones beside ordinary ones.
        let weights = AlteredSource(try tiny.source()) { name, bytes in
            guard name.rawValue.hasSuffix("up_proj.weight") || name.rawValue.hasSuffix("q_proj.weight") else { return }
            var floats = unpacked(bytes, .f32)
            for place in floats.indices {
                switch place / 32 % 6 {
                case 0: floats[place] = 0
                case 1: floats[place] = 0.75
                case 2: floats[place] *= 1e-6
                case 3: floats[place] *= place % 7 == 0 ? 3e4 : 1
                case 4: floats[place] = Float(place % 32) - 15.5
                default: break
                }
            }
            bytes = packed(floats, .f32)
        }
        let checkpoint = try model(tiny).with(weights: weights)
        let (gguf, source) = (folder.path.appending("m.gguf"), folder.path.appending("source"))
        try HuggingFaceWriter().write(checkpoint, to: source)
        let report = try GGUFExport.write(checkpoint, to: gguf, type: type, threadCount: 2)
        #expect(report.tensorCount == 21 && report.leftOut.isEmpty)
        #expect(try report.byteCount == UInt64(contents(of: gguf).count))
        let output = try Python.run(Self.compare, gguf.string, source.string)
        #expect(output == "left: []\n\(counts)\n")
    }

    @Test("the same bytes come out whatever the number of threads", arguments: [GGUFWeightType.f16, .q40])
    func threads(type: GGUFWeightType) throws {
        let folder = try TemporaryFolder()
        var tiny = TinyModel()
        (tiny.hidden, tiny.inner, tiny.vocabulary) = (256, 4160, 3000)
        let checkpoint = try model(tiny)
        let paths = [1, 3].map { folder.path.appending("\($0).gguf") }
        _ = try GGUFExport.write(checkpoint, to: paths[0], type: type, threadCount: 1)
        _ = try GGUFExport.write(checkpoint, to: paths[1], type: type, threadCount: 3)
        #expect(try contents(of: paths[0]) == contents(of: paths[1]))
    }

    @Test("what is exported as f16 or f32 is read back with the same bits and sizes", arguments: [true, false])
    func roundTrip(isTied: Bool) throws {
        let folder = try TemporaryFolder()
        var tiny = TinyModel()
        tiny.isTied = isTied
        tiny.config = [
            "rope_theta": 500000.0, "max_position_embeddings": 4096,
            "rope_scaling": [
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            ],
        ]
        let checkpoint = try model(tiny)
        let path = folder.path.appending("m.gguf")
        let report = try GGUFExport.write(checkpoint, to: path, type: .f16)
        #expect(report.tensorCount == (isTied ? 21 : 22))
        let read = try ModelSource.open(path)
        let half = try ConvertedSource(read.weights, as: .f16)
        #expect(Set(half.tensors) == Set(checkpoint.weights.tensors))
        for tensor in half.tensors {
            let rows = 0..<tensor.shape.rows
            #expect(try half.bytes(ofRows: rows, of: tensor) == checkpoint.weights.bytes(ofRows: rows, of: tensor))
        }
        for key in [
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
            "vocab_size", "tie_word_embeddings", "rms_norm_eps", "rope_theta", "max_position_embeddings",
        ] {
            #expect(read.config?[key]?.double == checkpoint.config?[key]?.double, "\(key)")
            #expect(read.config?[key]?.bool == checkpoint.config?[key]?.bool, "\(key)")
        }
        #expect(read.config?["rope_scaling"]?["factor"]?.double == 8)
        #expect(read.config?["rope_scaling"]?["rope_type"] == "llama3")
    }

    @Test(
        "the base of the wavelengths is that of rope_parameters, as float32 has it",
        arguments: [500_000, 3_580_165_449])
    func ropeParameters(theta: Double) throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("m.gguf")
        var tiny = TinyModel()
        tiny.config = [
            "rope_theta": 10_000, "rope_parameters": ["rope_type": "default", "rope_theta": .number(theta)],
        ]
        _ = try GGUFExport.write(model(tiny), to: path, type: .f16)
        #expect(try GGUFFile(path: path).number("llama.rope.freq_base").map { Float($0) } == Float(theta))
        #expect(try ModelSource.open(path).config?["rope_theta"]?.double.map { Float($0) } == Float(theta))
    }

    @Test("LLaMA 3's scaling with another original length is read back as it was")
    func originalLength() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("m.gguf")
        let scaling: JSONObject = [
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 4096,
        ]
        var tiny = TinyModel()
        tiny.config = ["rope_theta": 500_000.0, "rope_scaling": .object(scaling)]
        _ = try GGUFExport.write(model(tiny), to: path, type: .f16)
        let read = try ModelSource.open(path).config?["rope_scaling"]?.object
        for member in scaling.members { #expect(read?[member.key]?.double == member.value.double, "\(member.key)") }
    }

    @Test("a template in a file of its own is exported, not an outdated one in the tokenizer's configuration")
    func newerTemplate() throws {
        let folder = try TemporaryFolder()
        var files = try model().sideFiles
        files[SideFiles.chatTemplate] = Array("{{ newer }}".utf8)
        let checkpoint = try Checkpoint(
            path: "tiny", format: "memory", weights: model().weights, sideFiles: files, sourceFiles: [])
        let (gguf, container) = (folder.path.appending("m.gguf"), folder.path.appending("m.pvq"))
        _ = try GGUFExport.write(checkpoint, to: gguf, type: .f16)
        #expect(try GGUFFile(path: gguf).string("tokenizer.chat_template") == "{{ newer }}")
        _ = try Quantize.write(checkpoint, to: container, options: QuantizeOptions())
        try HuggingFaceWriter().write(ModelSource.open(container), to: folder.path.appending("m"))
        let written = try SideFiles(in: folder.path.appending("m"))
        #expect(try written.json(SideFiles.tokenizerConfig)?["chat_template"] == "{{ newer }}")
        #expect(try written.chatTemplate() == "{{ newer }}")
    }

    @Test(
        "config.json has the type of the tensors, under the older and the newer key",
        arguments: ["torch_dtype", "dtype"])
    func elementType(member: String) throws {
        var tiny = TinyModel()
        tiny.config = [member: "bfloat16"]
        let config = try tiny.checkpoint().converted(to: .f32).config
        #expect(config?[member] == "float32")
    }

    @Test("tokens, their types, roles and the conversation template are where llama.cpp looks for them")
    func tokenizer() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("m.gguf")
        _ = try GGUFExport.write(model(), to: path, type: .f16)
        let file = try GGUFFile(path: path)
        #expect(try file.string("general.architecture") == "llama")
        #expect(try file.integer("general.file_type") == 1)
        #expect(try file.string("tokenizer.ggml.model") == "gpt2")
        #expect(try file.string("tokenizer.ggml.pre") == "smollm")
        let tokens = try #require(try file.strings("tokenizer.ggml.tokens"))
        #expect(tokens.count == 40)
        #expect(tokens.prefix(8) == ["<s>", "a", "b", "ab", "Ġ", "Ġa", "<tool>", "[PAD7]"])
        #expect(try file.integers("tokenizer.ggml.token_type")?.prefix(8) == [3, 1, 1, 1, 1, 1, 4, 5])
        #expect(try file.strings("tokenizer.ggml.merges") == ["a b", "Ġ a"])
        #expect(try file.integer("tokenizer.ggml.bos_token_id") == 0)
        #expect(try file.integer("tokenizer.ggml.eos_token_id") == nil)
        #expect(try file.bool("tokenizer.ggml.add_bos_token") == false)
        #expect(try file.string("tokenizer.chat_template") == "{{ x }}")
        let again = try CheckpointSource.open(path)
        let json = try #require(try again.sideFiles.object(SideFiles.tokenizerJSON))
        #expect(json["model"]?["vocab"]?.object?.members.count == 7)
        #expect(json["added_tokens"]?.array?.compactMap { $0["content"]?.string } == ["<s>", "<tool>"])
    }

    @Test("PVIT's projections are left out and listed")
    func projections() throws {
        let folder = try TemporaryFolder()
        var tiny = TinyModel()
        tiny.extra = [("model.mm_projector.weight", [64, 8]), ("model.mm_projector.bias", [64])]
        tiny.config = ["model_type": "llava"]
        let report = try GGUFExport.write(model(tiny), to: folder.path.appending("m.gguf"), type: .q80)
        #expect(report.leftOut.map(\.rawValue).sorted() == ["model.mm_projector.bias", "model.mm_projector.weight"])
        #expect(report.tensorCount == 21)
    }

    @Test("what cannot be exported is refused, and an earlier file stays as it was")
    func refused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("m.gguf", "before")
        func code(_ checkpoint: Checkpoint, _ type: GGUFWeightType = .f16) throws -> String {
            let error = try #require(throws: PVITError.self) { try GGUFExport.write(checkpoint, to: path, type: type) }
            #expect(try contents(of: path) == Array("before".utf8))
            #expect(try folder.entries == ["m.gguf"])
            return error.code.name
        }
        var delta = TinyModel()
        delta.scale = (0.01, 0.001)
        #expect(try code(model(delta)) == "model.is-delta")
        #expect(try code(model(tokenizer: ["model": ["type": "WordPiece"]])) == "export.tokenizer")
        let unnamed: JSONValue = [
            "pre_tokenizer": ["type": "Whitespace"], "model": ["type": "BPE", "vocab": [:], "merges": []],
        ]
        #expect(try code(model(tokenizer: unnamed)) == "export.tokenizer")
        var yarn = TinyModel()
        yarn.config = ["rope_scaling": ["rope_type": "yarn", "factor": 4.0]]
        #expect(try code(model(yarn)) == "model.unsupported")
        var large = TinyModel()
        (large.type, large.scale.matrices) = (.bf16, 1e9)
        #expect(try code(model(large), .f16) == "quantize.overflow")
        #expect(try code(model(large), .q40) == "quantize.overflow")
        var infinite = TinyModel()
        (infinite.type, infinite.scale.matrices) = (.f32, .infinity)
        #expect(try code(model(infinite), .f32) == "quantize.not-finite")
        let tooMany = JSONValue.object(
            JSONObject(
                dictionaryLiteral: ("pre_tokenizer", ["type": "ByteLevel", "add_prefix_space": false]),
                ("model", ["vocab": ["a": 0, "b": 40], "merges": []])))
        #expect(try code(model(tokenizer: tooMany)) == "export.tokenizer")
    }

    @Test(
        "a source of f32 tensors is written as f16, bf16 or f32 on request", arguments: [ElementType.f16, .bf16, .f32])
    func converted(type: ElementType) throws {
        let folder = try TemporaryFolder()
        let tiny = TinyModel(type: .f32)
        let original = try tiny.checkpoint()
        let output = folder.path.appending("out")
        try HuggingFaceWriter().write(original.converted(to: type), to: output)
        let read = try CheckpointSource.open(output)
        #expect(
            read.config?["torch_dtype"]?.string == ["f16": "float16", "bf16": "bfloat16"][type.rawValue] ?? "float32")
        for tensor in read.weights.tensors {
            #expect(tensor.elementType == type)
            let rows = 0..<tensor.shape.rows
            let source = try #require(original.weights.tensor(named: tensor.name))
            let floats = unpacked(try original.weights.bytes(ofRows: rows, of: source), .f32)
            #expect(try read.weights.bytes(ofRows: rows, of: tensor) == packed(floats, type))
        }
    }
}
