import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Testing
import Tokenization

@Suite("Tokenizers in exported GGUF files")
struct GGUFTokenizerExportTests {
    private static let gpt2: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]

    /// The tiny model, whose embeddings have 40 rows, with tokenizer files.
    private func export(
        _ files: [String: JSONValue], model: [UInt8]? = nil, config: JSONObject = [:]
    ) throws -> (file: GGUFFile, notes: [String], again: Checkpoint) {
        var tiny = TinyModel()
        tiny.config = config
        let original = try tiny.checkpoint()
        var sideFiles = original.sideFiles
        for (name, file) in files { sideFiles[name] = file.encoded() }
        if let model { sideFiles[SideFiles.sentencePieceModel] = model }
        let checkpoint = try Checkpoint(
            path: "tiny", format: "memory", weights: original.weights, sideFiles: sideFiles, sourceFiles: [])
        let folder = try TemporaryFolder()
        let path = folder.path.appending("m.gguf")
        let report = try GGUFExport.write(checkpoint, to: path, type: .f16)
        return (try GGUFFile(path: path), report.tokenizerNotes, try CheckpointSource.open(path))
    }

    /// The tokenizer.model of a GGUF file: `<unk> <s> </s> ▁ a b ▁a ab`.
    private func sentencePieceModel() throws -> [UInt8] {
        let folder = try TemporaryFolder()
        let checkpoint = try CheckpointSource.open(folder.write("model.gguf", tinyLlamaGGUF().bytes))
        return try #require(checkpoint.sideFiles[SideFiles.sentencePieceModel])
    }

    private func tokenizer(of checkpoint: Checkpoint) throws -> Tokenizer {
        try Tokenizer(
            files: TokenizerFiles(
                tokenizerJSON: checkpoint.sideFiles[SideFiles.tokenizerJSON],
                sentencePieceModel: checkpoint.sideFiles[SideFiles.sentencePieceModel],
                config: checkpoint.sideFiles.object(SideFiles.tokenizerConfig)))
    }

    @Test("pieces that added_tokens.json names again keep their kind, and named tokens are special")
    func kinds() throws {
        let (file, notes, _) = try export(
            [
                SideFiles.addedTokens: ["</s>": 2, "<s>": 1, "<unk>": 0, "<|im_end|>": 8, "<tool>": 9],
                SideFiles.specialTokensMap: ["eos_token": "<|im_end|>", "bos_token": "<s>"],
            ], model: sentencePieceModel())
        #expect(try file.integers("tokenizer.ggml.token_type")?.prefix(11) == [2, 3, 3, 1, 1, 1, 1, 1, 3, 4, 5])
        #expect(try file.numbers("tokenizer.ggml.scores")?.prefix(10) == [0, 0, 0, -3, -4, -5, -1, -2, -1000, -1000])
        #expect(try file.integer("tokenizer.ggml.eos_token_id") == 8)
        #expect(notes.isEmpty)
    }

    @Test("empty names leave the tokenizer's own ids, before those of config.json")
    func emptyNames() throws {
        let empty: JSONValue = ["bos_token": "", "eos_token": "", "unk_token": ""]
        let ids: JSONObject = ["bos_token_id": 0, "eos_token_id": 1]
        let (file, _, _) = try export([SideFiles.tokenizerConfig: empty], model: sentencePieceModel(), config: ids)
        #expect(try file.integer("tokenizer.ggml.bos_token_id") == 1)
        #expect(try file.integer("tokenizer.ggml.eos_token_id") == 2)
        // Without names config.json counts, as with llama.cpp's converter.
        let (unnamed, _, _) = try export([:], model: sentencePieceModel(), config: ids)
        #expect(try unnamed.integer("tokenizer.ggml.eos_token_id") == 1)
        let json: JSONValue = [
            "added_tokens": [["id": 3, "content": "<b>", "special": true]], "pre_tokenizer": Self.gpt2,
            "post_processor": [
                "type": "TemplateProcessing",
                "single": [["SpecialToken": ["id": "<b>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
                "special_tokens": ["<b>": ["id": "<b>", "ids": [3], "tokens": ["<b>"]]],
            ],
            "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": ["a b"]],
        ]
        let (bytePair, _, _) = try export(
            [SideFiles.tokenizerConfig: empty, SideFiles.tokenizerJSON: json], config: ids)
        #expect(try bytePair.integer("tokenizer.ggml.bos_token_id") == 3)
    }

    @Test("settings about spaces before texts are written and read back")
    func spaces() throws {
        let texts = ["ab", " a", "a</s>b", "a </s> ab", "<s>a"]
        for (legacy, prefix) in [(true, true), (true, false), (false, true), (false, false)] {
            let config: JSONObject = [
                "tokenizer_class": "LlamaTokenizer", "legacy": .bool(legacy), "add_prefix_space": .bool(prefix),
            ]
            let model = try sentencePieceModel()
            let (file, notes, again) = try export([SideFiles.tokenizerConfig: .object(config)], model: model)
            #expect(try file.bool("tokenizer.ggml.add_space_prefix") == prefix)
            #expect(notes.count == (prefix && !legacy ? 1 : 0))
            let own = try Tokenizer(files: TokenizerFiles(sentencePieceModel: model, config: config))
            let read = try tokenizer(of: again)
            for text in texts { #expect(read.encode(text) == own.encode(text), "\(legacy) \(prefix) \(text)") }
        }
    }

    @Test("added tokens without a row in the embeddings are left out and listed")
    func withoutRow() throws {
        let (file, notes, _) = try export(
            [
                SideFiles.addedTokens: ["<pad>": 40],
                SideFiles.specialTokensMap: ["pad_token": "<pad>", "bos_token": "<s>"],
            ], model: sentencePieceModel(), config: ["pad_token_id": 40])
        #expect(try file.strings("tokenizer.ggml.tokens")?.count == 40)
        #expect(try file.integer("tokenizer.ggml.padding_token_id") == nil)
        #expect(notes == ["tokens without a row in the embeddings: \"<pad>\" (40)"])
        // Some tokenizer.json list such a token among those of the model too.
        let json: JSONValue = [
            "added_tokens": [["id": 40, "content": "<pad>", "special": true]], "pre_tokenizer": Self.gpt2,
            "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "<pad>": 40], "merges": []],
        ]
        let (bytePair, more, _) = try export([SideFiles.tokenizerJSON: json])
        #expect(try bytePair.strings("tokenizer.ggml.tokens")?.count == 40 && more == notes)
    }

    @Test("tokens that other files add to a tokenizer.json are exported")
    func besideJSON() throws {
        let json: JSONValue = [
            "added_tokens": [], "pre_tokenizer": Self.gpt2,
            "model": ["type": "BPE", "vocab": ["a": 0, "b": 1], "merges": []],
        ]
        let (file, _, _) = try export([
            SideFiles.tokenizerJSON: json, SideFiles.addedTokens: ["<x>": 2],
            SideFiles.tokenizerConfig: [
                "eos_token": "<y>", "added_tokens_decoder": ["3": ["content": "<y>", "special": true]],
            ],
        ])
        #expect(try file.strings("tokenizer.ggml.tokens")?.prefix(4) == ["a", "b", "<x>", "<y>"])
        #expect(try file.integers("tokenizer.ggml.token_type")?.prefix(4) == [1, 1, 4, 3])
        #expect(try file.integer("tokenizer.ggml.eos_token_id") == 3)
    }
}
