import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing
import Tokenization

@Suite("GGUF models")
struct GGUFCheckpointTests {
    private func open(_ file: GGUFBytes, in folder: TemporaryFolder) throws -> Checkpoint {
        try CheckpointSource.open(folder.write("model.gguf", file.bytes))
    }

    private func error(_ file: GGUFBytes) throws -> PVITError {
        let folder = try TemporaryFolder()
        return try #require(throws: PVITError.self) { try open(file, in: folder) }
    }

    @Test("a padding token that is not in the table is ignored")
    func paddingOutside() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try open(
            tinyLlamaGGUF(more: [GGUFBytes.pair("tokenizer.ggml.padding_token_id", UInt32(8))]), in: folder)
        let config = try #require(try checkpoint.sideFiles.object(SideFiles.tokenizerConfig))
        #expect(config["pad_token"] == nil && config["bos_token"] == "<s>")
    }

    /// A file with other tokens of the same types and scores.
    private func file(_ tokens: [String], kinds: [Int32]) -> GGUFBytes {
        tinyLlamaGGUF(
            leavingOut: ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type"],
            more: [
                GGUFBytes.pair("tokenizer.ggml.tokens", tokens), GGUFBytes.pair("tokenizer.ggml.token_type", kinds),
            ])
    }

    @Test("empty tokens and unused ones that repeat others only fill the table")
    func fillers() throws {
        let folder = try TemporaryFolder()
        for (tokens, kinds) in [
            (["<unk>", "<s>", "</s>", "", "a", "", "▁a", "ab"], [2, 3, 3, 1, 1, 5, 1, 1]),
            (["<unk>", "<s>", "</s>", "a", "a", "▁", "", ""], [2, 3, 3, 5, 1, 1, 5, 5]),
            (["<unk>", "<s>", "</s>", "▁", "a", "a", "a", "b"], [2, 3, 3, 1, 1, 5, 5, 1]),
        ] as [([String], [Int32])] {
            let checkpoint = try open(file(tokens, kinds: kinds), in: folder)
            let tokenizer = try Tokenizer(
                files: TokenizerFiles(
                    sentencePieceModel: checkpoint.sideFiles[SideFiles.sentencePieceModel],
                    config: checkpoint.sideFiles.object(SideFiles.tokenizerConfig)))
            #expect(tokenizer.id(ofPiece: "a") == 4)
            for (id, text) in tokens.enumerated() where text.isEmpty {
                let name = tokenizer.piece(of: TokenID(rawValue: Int32(id)))
                #expect(name == (id < tokenizer.vocabularySize ? "[EMPTY_\(id)]" : nil))
            }
        }
        let two = file(["<unk>", "<s>", "</s>", "▁", "a", "a", "▁a", "ab"], kinds: [2, 3, 3, 1, 1, 1, 1, 1])
        let error = try error(two)
        #expect(error.code.name == "gguf.tokenizer" && error.what.contains("tokens 4 and 5 are both \"a\""))
    }

    @Test("names are those of transformers, and rows of query and key projections are in its order")
    func namesAndOrder() throws {
        let folder = try TemporaryFolder()
        let model = try open(tinyLlamaGGUF(), in: folder)
        #expect(model.format == "GGUF")
        #expect(
            Set(model.weights.tensors.map(\.name.rawValue)) == [
                "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
                "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
                "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight",
                "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.up_proj.weight",
                "model.layers.0.mlp.down_proj.weight",
            ])
        func firstOfRows(_ name: String, _ rows: Range<Int>) throws -> [Int] {
            let tensor = try #require(model.weights.tensor(named: TensorName(name)))
            let floats = unpacked(try model.weights.bytes(ofRows: rows, of: tensor), .f32)
            return stride(from: 0, to: floats.count, by: 32).map { Int(floats[$0]) / 32 }
        }
        // Heads of 16 channels: even rows first, then odd ones.
        let head = Array(stride(from: 0, to: 16, by: 2)) + Array(stride(from: 1, to: 16, by: 2))
        #expect(try firstOfRows("model.layers.0.self_attn.q_proj.weight", 0..<32) == head + head.map { $0 + 16 })
        #expect(try firstOfRows("model.layers.0.self_attn.q_proj.weight", 7..<18) == Array(head[7...]) + [16, 18])
        #expect(try firstOfRows("model.layers.0.self_attn.k_proj.weight", 0..<16) == head)
        #expect(try firstOfRows("model.layers.0.self_attn.v_proj.weight", 0..<16) == Array(0..<16))
    }

    @Test("config.json says what the metadata say")
    func configuration() throws {
        let folder = try TemporaryFolder()
        let more = [
            GGUFBytes.pair("llama.rope.freq_base", Float(500000)),
            GGUFBytes.pair("tokenizer.ggml.eos_token_id", UInt32(7)),
            GGUFBytes.pair("llama.rope.scaling.type", "linear"), GGUFBytes.pair("llama.rope.scaling.factor", Float(4)),
        ]
        let config = try #require(try open(tinyLlamaGGUF(isTied: true, more: more), in: folder).config)
        let expected: JSONObject = [
            "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 8, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": true, "eos_token_id": 7,
            "torch_dtype": "float32",
        ]
        for member in expected.members { #expect(config[member.key] == member.value, "\(member.key)") }
        #expect(config["rope_scaling"]?["rope_type"] == "linear")
        #expect(config["rope_scaling"]?["factor"]?.double == 4)
        let plain = try #require(try open(tinyLlamaGGUF(), in: folder).config)
        #expect(plain["tie_word_embeddings"] == false && plain["rope_theta"] == 10000.0)
        #expect(plain["rope_scaling"] == nil)
    }

    @Test("an adapter for llama.cpp is recognised")
    func adapter() throws {
        let more = [GGUFBytes.pair("general.type", "adapter")]
        let error = try #require(throws: PVITError.self) { try open(tinyLlamaGGUF(more: more), in: TemporaryFolder()) }
        #expect(error.code == .notAModel && error.what.contains("LoRA"))
    }

    @Test("LLaMA 3's divisors of the rotary frequencies become its rope_scaling; others are refused")
    func rotaryFactors() throws {
        // Made by the formula of `transformers` (in Python) from factor 32, low 1, high 4, 8192 positions, theta
        // 500000, heads of 16 channels.
        let published: [Float] = [1, 1, 1, 1, 3.292_262_1, 32, 32, 32]
        var file = tinyLlamaGGUF(more: [GGUFBytes.pair("llama.rope.freq_base", Float(500000))])
        file.add("rope_freqs.weight", .f32, [8], published.flatMap(littleEndianBytes))
        let folder = try TemporaryFolder()
        let model = try open(file, in: folder)
        #expect(model.config?["rope_scaling"]?["rope_type"] == "llama3")
        #expect(model.config?["rope_scaling"]?["factor"]?.double == 32)
        #expect(model.config?["rope_scaling"]?["original_max_position_embeddings"] == 8192)
        #expect(!model.weights.tensors.contains { $0.name == "rope_freqs.weight" })
        var odd = tinyLlamaGGUF()
        odd.add("rope_freqs.weight", .f32, [8], (1...8).flatMap { littleEndianBytes(Float($0)) })
        #expect(try error(odd).code.name == "gguf.rotary-scaling")
    }

    @Test("models that cannot be read are refused with the reason")
    func refused() throws {
        func file(_ pairs: [[UInt8]], without absent: Set<String> = []) -> GGUFBytes {
            tinyLlamaGGUF(leavingOut: absent, more: pairs)
        }
        let cases: [(GGUFBytes, String)] = [
            (file([], without: ["general.architecture"]), "gguf.metadata"),
            (
                file([GGUFBytes.pair("general.architecture", "qwen2")], without: ["general.architecture"]),
                "gguf.architecture"
            ),
            (
                file([GGUFBytes.pair("general.architecture", UInt32(1))], without: ["general.architecture"]),
                "gguf.metadata"
            ),
            (file([GGUFBytes.pair("llama.expert_count", UInt32(8))]), "gguf.architecture"),
            (file([], without: ["llama.block_count"]), "gguf.metadata"),
            (file([GGUFBytes.pair("llama.block_count", UInt32(0))], without: ["llama.block_count"]), "gguf.metadata"),
            (file([GGUFBytes.pair("llama.block_count", "1")], without: ["llama.block_count"]), "gguf.metadata"),
            (file([GGUFBytes.pair("llama.rope.dimension_count", UInt32(8))]), "gguf.architecture"),
            (file([GGUFBytes.pair("llama.rope.freq_base", Float(-1))]), "gguf.metadata"),
            (
                file([
                    GGUFBytes.pair("llama.rope.scaling.type", "yarn"),
                    GGUFBytes.pair("llama.rope.scaling.factor", Float(4)),
                ]), "gguf.rotary-scaling"
            ),
            (
                file(
                    [GGUFBytes.pair("llama.attention.head_count", UInt32(3))], without: ["llama.attention.head_count"]),
                "gguf.shape"
            ),
            (
                file([GGUFBytes.pair("tokenizer.ggml.model", "bert")], without: ["tokenizer.ggml.model"]),
                "gguf.unsupported-tokenizer"
            ),
            (file([], without: ["tokenizer.ggml.tokens"]), "gguf.tokenizer"),
            (file([], without: ["tokenizer.ggml.scores"]), "gguf.tokenizer"),
            (
                file(
                    [GGUFBytes.pair("tokenizer.ggml.token_type", [1, 1] as [Int32])],
                    without: ["tokenizer.ggml.token_type"]),
                "gguf.tokenizer"
            ),
            (file([GGUFBytes.pair("tokenizer.ggml.bos_token_id", UInt32(8))]), "gguf.tokenizer"),
            (
                file(
                    [GGUFBytes.pair("tokenizer.ggml.tokens", [String](repeating: "a", count: 8))],
                    without: ["tokenizer.ggml.tokens"]), "gguf.tokenizer"
            ),
        ]
        for (place, (file, code)) in cases.enumerated() {
            let error = try error(file)
            #expect(error.code.name == code, "case \(place): \(error)")
            #expect(error.file != nil)
        }
    }

    @Test("a folder with one model opens it; with several it asks which")
    func folders() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.gguf", tinyLlamaGGUF().bytes)
        try folder.write("README.md", "hello")
        #expect(try CheckpointSource.open(folder.path).weights.tensors.count == 12)
        try folder.write("b.gguf", tinyLlamaGGUF().bytes)
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
        #expect(error.code == .formatUnknown)
        #expect("\(error)".contains("several GGUF models"))
    }

    /// The tiny model in two files.
    private func parts() -> [GGUFBytes] {
        let whole = tinyLlamaGGUF()
        return (0..<2).map { part in
            var file = GGUFBytes()
            file.pairs =
                (part == 0 ? whole.pairs + [GGUFBytes.pair("split.tensors.count", type: 5, [12, 0, 0, 0])] : [])
                + [GGUFBytes.pair("split.no", UInt16(part)), GGUFBytes.pair("split.count", UInt16(2))]
            for record in whole.records[part * 6..<part * 6 + 6] {
                let count = Int(record.extents.reduce(1, *)) * 4
                let start = Int(record.offset)
                file.add(
                    String(decoding: record.name, as: UTF8.self), .f32, record.extents,
                    Array(whole.data[start..<start + count]))
            }
            return file
        }
    }

    @Test("a split model is opened from any of its files", arguments: [1, 2])
    func split(part: Int) throws {
        let folder = try TemporaryFolder()
        for (place, file) in parts().enumerated() {
            try folder.write("m-0000\(place + 1)-of-00002.gguf", file.bytes)
        }
        let model = try CheckpointSource.open(folder.path.appending("m-0000\(part)-of-00002.gguf"))
        #expect(model.format == "2 GGUF files")
        #expect(model.sourceFiles.count == 2)
        let whole = try TemporaryFolder()
        let expected = try open(tinyLlamaGGUF(), in: whole).weights
        #expect(Set(model.weights.tensors) == Set(expected.tensors))
        for tensor in expected.tensors {
            let rows = 0..<tensor.shape.rows
            #expect(
                try model.weights.bytes(ofRows: rows, of: tensor) == expected.bytes(ofRows: rows, of: tensor))
        }
        #expect(try CheckpointSource.open(folder.path).weights.tensors.count == 12)
    }

    @Test("files that are absent, renamed or of another model are named")
    func brokenSplits() throws {
        func code(_ files: [(String, GGUFBytes)], _ name: String) throws -> (String, String) {
            let folder = try TemporaryFolder()
            for (name, file) in files { try folder.write(name, file.bytes) }
            let error = try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path.appending(name)) }
            return (error.code.name, "\(error)")
        }
        let parts = parts()
        let absent = try code([("m-00002-of-00002.gguf", parts[1])], "m-00002-of-00002.gguf")
        #expect(absent.0 == "checkpoint.missing-shards" && absent.1.contains("m-00001-of-00002.gguf"))
        #expect(try code([("part2.gguf", parts[1])], "part2.gguf").0 == "gguf.split")
        #expect(
            try code(
                [("m-00001-of-00002.gguf", parts[1]), ("m-00002-of-00002.gguf", parts[0])], "m-00001-of-00002.gguf"
            ).0 == "gguf.split")
        var short = parts[1]
        short.records.removeLast()
        #expect(
            try code(
                [("m-00001-of-00002.gguf", parts[0]), ("m-00002-of-00002.gguf", short)], "m-00001-of-00002.gguf"
            ).0 == "gguf.split")
        var twice = parts[0]
        twice.pairs = parts[1].pairs
        #expect(
            try code(
                [("m-00001-of-00002.gguf", parts[0]), ("m-00002-of-00002.gguf", twice)], "m-00001-of-00002.gguf"
            ).0 == "gguf.duplicate-tensor")
    }
}
