import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing

/// Small models in Meta's layout, cut from weights whose every element is a different number.
@Suite("Meta LLaMA folders")
struct MetaFolderTests {
    private static let heads = 8, headWidth = 4, hidden = 32, inner = 24, vocabulary = 16, layers = 2

    /// The weights as `transformers` has them: name, shape.
    private static func shapes(keyValueHeads: Int) -> [(name: String, shape: [Int])] {
        var shapes = [("model.embed_tokens.weight", [vocabulary, hidden])]
        for layer in 0..<layers {
            let parts: [(String, [Int])] = [
                ("input_layernorm", [hidden]), ("self_attn.q_proj", [hidden, hidden]),
                ("self_attn.k_proj", [keyValueHeads * headWidth, hidden]),
                ("self_attn.v_proj", [keyValueHeads * headWidth, hidden]), ("self_attn.o_proj", [hidden, hidden]),
                ("post_attention_layernorm", [hidden]), ("mlp.gate_proj", [inner, hidden]),
                ("mlp.up_proj", [inner, hidden]), ("mlp.down_proj", [hidden, inner]),
            ]
            shapes += parts.map { ("model.layers.\(layer).\($0.0).weight", $0.1) }
        }
        return shapes + [("model.norm.weight", [hidden]), ("lm_head.weight", [vocabulary, hidden])]
    }

    /// Element [row, column] of the tensor with this number.
    private static func value(_ tensor: Int, _ row: Int, _ column: Int) -> Float {
        Float(tensor * 4096 + row * 64 + column)
    }

    private static let metaNames = [
        "model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output",
        "input_layernorm": "attention_norm", "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk",
        "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1",
        "mlp.down_proj": "feed_forward.w2", "mlp.up_proj": "feed_forward.w3",
        "post_attention_layernorm": "ffn_norm",
    ]

    private static func metaName(_ name: String) -> String {
        let stem = name.dropLast(".weight".count)
        if let whole = metaNames[String(stem)] { return whole + ".weight" }
        let parts = stem.split(separator: ".", maxSplits: 3)
        return "layers.\(parts[2]).\(metaNames[String(parts[3])] ?? "").weight"
    }

    /// The tensors of one of `count` files.
    private static func part(
        _ number: Int, of count: Int, keyValueHeads: Int, embeddingByRows: Bool
    ) -> [(name: String, shape: [Int], values: [Float])] {
        var result: [(name: String, shape: [Int], values: [Float])] = []
        for (place, tensor) in shapes(keyValueHeads: keyValueHeads).enumerated() {
            let meta = metaName(tensor.name)
            let byColumns =
                meta.contains(".wo.") || meta.contains(".w2.") || (meta.hasPrefix("tok_") && !embeddingByRows)
            let isRotary = meta.contains(".wq.") || meta.contains(".wk.")
            guard tensor.shape.count == 2 else {
                result.append((meta, tensor.shape, (0..<tensor.shape[0]).map { value(place, $0, 0) }))
                continue
            }
            var shape = tensor.shape
            shape[byColumns ? 1 : 0] /= count
            var values: [Float] = []
            for localRow in 0..<shape[0] {
                var row = localRow + (byColumns ? 0 : number * shape[0])
                if isRotary {
                    // Meta's row [head, index, half] is the row [head, half, index] of transformers.
                    let (head, rest) = row.quotientAndRemainder(dividingBy: headWidth)
                    row = head * headWidth + rest % 2 * (headWidth / 2) + rest / 2
                }
                for column in 0..<shape[1] {
                    values.append(value(place, row, column + (byColumns ? number * shape[1] : 0)))
                }
            }
            result.append((meta, shape, values))
        }
        return result + [("rope.freqs", [2], [1, 2]), ("layers.0.attention.inner_attention.rope.freqs", [2], [1, 2])]
    }

    private static func parameters(_ more: String = "", keyValueHeads: Int? = nil) -> String {
        let kv = keyValueHeads.map { ", \"n_kv_heads\": \($0)" } ?? ""
        return """
            {"dim": 32, "n_layers": 2, "n_heads": 8, "multiple_of": 8, "norm_eps": 1e-05\(kv)\(more)}
            """
    }

    private func folder(
        parts count: Int, keyValueHeads: Int = 8, embeddingByRows: Bool = false, parameters: String = "",
        alter: (Int, inout [(name: String, shape: [Int], values: [Float])]) -> Void = { _, _ in }
    ) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for number in 0..<count {
            var tensors = Self.part(
                number, of: count, keyValueHeads: keyValueHeads, embeddingByRows: embeddingByRows)
            alter(number, &tensors)
            try folder.write("consolidated.0\(number).pth", torchBytes(tensors))
        }
        try folder.write(
            "params.json",
            Self.parameters(parameters, keyValueHeads: keyValueHeads == Self.heads ? nil : keyValueHeads))
        return folder
    }

    private func error(_ folder: TemporaryFolder) throws -> PVITError {
        try #require(throws: PVITError.self) { try CheckpointSource.open(folder.path) }
    }

    @Test(
        "slices are joined along the right axis and heads are permuted, for any range of rows",
        arguments: [(1, 8, false), (2, 8, false), (8, 8, false), (4, 4, true), (2, 2, true), (1, 1, false)])
    func joined(count: Int, keyValueHeads: Int, embeddingByRows: Bool) throws {
        let folder = try folder(parts: count, keyValueHeads: keyValueHeads, embeddingByRows: embeddingByRows)
        let checkpoint = try CheckpointSource.open(folder.path)
        let shapes = Self.shapes(keyValueHeads: keyValueHeads)
        #expect(Set(checkpoint.weights.tensors.map(\.name.rawValue)) == Set(shapes.map(\.name)))
        for (place, expected) in shapes.enumerated() {
            let tensor = try #require(checkpoint.weights.tensor(named: TensorName(expected.name)))
            #expect(tensor.shape.dimensions == expected.shape)
            let columns = expected.shape.count == 2 ? expected.shape[1] : 1
            let rows = expected.shape[0]
            for range in [0..<rows, 1..<rows - 1, 3..<4, rows / 2 - 1..<rows / 2 + 2] {
                let bytes = try checkpoint.weights.bytes(ofRows: range, of: tensor)
                let values = range.flatMap { row in (0..<columns).map { Self.value(place, row, $0) } }
                #expect(unpacked(bytes, .f32) == values, "\(expected.name) \(range)")
            }
        }
        let config = try #require(checkpoint.config)
        #expect(config["num_key_value_heads"] == .integer(keyValueHeads))
        #expect(config["intermediate_size"] == 24 && config["vocab_size"] == 16)
        #expect(checkpoint.sourceFiles.count == count)
    }

    @Test(
        "the generation of the model shows in its positions and rotation",
        arguments: [
            (", \"vocab_size\": -1", 4096, 10_000.0, nil), (", \"max_seq_len\": 512", 512, 10_000, nil),
            (", \"rope_theta\": 1000000.0", 16_384, 1_000_000, nil),
            (", \"vocab_size\": 16, \"rope_theta\": 500000.0", 8192, 500_000, nil),
            (", \"rope_theta\": 500000.0, \"use_scaled_rope\": true", 131_072, 500_000, 32.0),
            (", \"rope_theta\": 500000.0, \"use_scaled_rope\": true, \"rope_scaling_factor\": 8", 131_072, 500_000, 8),
        ] as [(String, Int, Double, Double?)])
    func generations(parameters: String, positions: Int, theta: Double, factor: Double?) throws {
        let folder = try folder(parts: 1, parameters: parameters)
        let config = try #require(try CheckpointSource.open(folder.path).config)
        #expect(config["max_position_embeddings"] == .integer(positions))
        #expect(config["rope_theta"]?.double == theta)
        #expect(config["rope_scaling"]?["factor"]?.double == factor)
        if factor != nil {
            #expect(config["rope_scaling"]?["rope_type"] == "llama3")
            #expect(config["rope_scaling"]?["original_max_position_embeddings"] == 8192)
        }
        #expect(config["rms_norm_eps"] == 1e-5 && config["tie_word_embeddings"] == false)
    }

    @Test("a model without an output layer uses its embeddings")
    func tied() throws {
        let folder = try folder(parts: 2) { _, tensors in tensors.removeAll { $0.name == "output.weight" } }
        let checkpoint = try CheckpointSource.open(folder.path)
        #expect(checkpoint.config?["tie_word_embeddings"] == true)
        #expect(checkpoint.weights.tensor(named: "lm_head.weight") == nil)
    }

    @Test("the tokenizer is found beside the weights or one folder above; LLaMA 3's is recognised")
    func tokenizers() throws {
        let outer = try TemporaryFolder()
        for number in 0..<2 {
            try outer.write(
                "7B/consolidated.0\(number).pth",
                torchBytes(Self.part(number, of: 2, keyValueHeads: 8, embeddingByRows: false)))
        }
        try outer.write("7B/params.json", Self.parameters())
        try outer.write("tokenizer.model", [10, 3, 1, 2, 3])
        let path = outer.path.appending("7B")
        #expect(try CheckpointSource.open(path).sideFiles[SideFiles.sentencePieceModel] == [10, 3, 1, 2, 3])
        try outer.write("7B/tokenizer.model", "IQ== 0\nIg== 1\n")
        let error = try #require(throws: PVITError.self) { try CheckpointSource.open(path) }
        #expect(error.code == .metaTiktoken)
        #expect("\(error)".contains("tiktoken") && "\(error)".contains("tokenizer.json"))
        try outer.write("7B/tokenizer.json", "{}")
        #expect(try CheckpointSource.open(path).sideFiles.presentNames == ["config.json", "tokenizer.json"])
    }

    @Test("absent files, files of another model and a folder without params.json are errors")
    func broken() throws {
        let incomplete = try folder(parts: 4)
        try incomplete.remove("consolidated.02.pth")
        let missing = try error(incomplete)
        #expect(missing.code == .missingShards && "\(missing)".contains("consolidated.02.pth"))

        let bare = try folder(parts: 1)
        try bare.remove("params.json")
        #expect("\(try error(bare))".contains("params.json"))

        let shorter = try folder(parts: 2) { number, tensors in
            if number == 1 { tensors.removeAll { $0.name == "layers.1.feed_forward.w2.weight" } }
        }
        let lacking = try error(shorter)
        #expect(lacking.code.name == "meta.tensors" && lacking.tensor == "layers.1.feed_forward.w2.weight")
        #expect(lacking.file?.hasSuffix("consolidated.01.pth") == true)

        let stranger = try folder(parts: 1) { _, tensors in tensors.append(("lora.weight", [1], [1])) }
        #expect(try error(stranger).tensor == "lora.weight")

        let uneven = try folder(parts: 2) { number, tensors in
            if number == 1, let place = tensors.firstIndex(where: { $0.name == "norm.weight" }) {
                tensors[place] = ("norm.weight", [31], [Float](repeating: 0, count: 31))
            }
        }
        #expect(try error(uneven).code.name == "meta.shape")
    }

    @Test(
        "params.json with impossible sizes, or not those of the weights, is refused",
        arguments: [
            "", "[]", "{}", #"{"dim": 0, "n_layers": 2, "n_heads": 8, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 1000000000000, "n_heads": 8, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 2, "n_heads": 7, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 2, "n_heads": 8, "norm_eps": -1}"#,
            #"{"dim": 32, "n_layers": 2, "n_heads": 8, "n_kv_heads": 3, "norm_eps": 1e-5}"#,
            #"{"dim": 64, "n_layers": 2, "n_heads": 8, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 3, "n_heads": 8, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 1, "n_heads": 8, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 2, "n_heads": 8, "n_kv_heads": 4, "norm_eps": 1e-5}"#,
            #"{"dim": 32, "n_layers": 2, "n_heads": 8, "vocab_size": 17, "norm_eps": 1e-5}"#,
        ])
    func badParameters(text: String) throws {
        let folder = try folder(parts: 2)
        try folder.write("params.json", text)
        let error = try error(folder)
        #expect(error.code.category == .badData)
        #expect(error.file?.hasPrefix(folder.path.string) == true)
    }
}
