import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing
import Tokenization

@Suite("Tokenizers of GGUF files", .needsPython)
struct GGUFTokenizerTests {
    private static let texts = [
        "", " ", "Hello world", "  two  spaces ", "don't WE'LL 'tis", "1234567 8.90", "a\n\n b\t c\r\n", "naïve café ﬁ",
        "日本語 テキスト", "🙂🙃 emoji", "x=<|im_start|>user\n", "¼ ½ Ⅻ 一二", "fn main() { let x = 3; }", "\u{0}\u{7F}",
    ]

    /// Writes a GGUF file around the small model's tensors with a tokenizer made in Python.
    private func checkpoint(_ folder: TemporaryFolder, _ pairs: [[UInt8]]) throws -> Checkpoint {
        let file = tinyLlamaGGUF(
            leavingOut: [
                "tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
            ], more: pairs)
        return try CheckpointSource.open(folder.write("model.gguf", file.bytes))
    }

    private func files(of checkpoint: Checkpoint) throws -> TokenizerFiles {
        try TokenizerFiles(
            tokenizerJSON: checkpoint.sideFiles[SideFiles.tokenizerJSON],
            sentencePieceModel: checkpoint.sideFiles[SideFiles.sentencePieceModel],
            config: checkpoint.sideFiles.object(SideFiles.tokenizerConfig))
    }

    private func ids(_ value: JSONValue?) -> [[Int]] {
        value?.array?.map { $0.array?.compactMap(\.integer) ?? [] } ?? []
    }

    @Test(
        "a byte-level BPE tokenizer gives the ids of the one that it was made from",
        arguments: [
            ("gpt-2", "ByteLevel(False)"),
            ("smollm", "Sequence([Digits(individual_digits=True), ByteLevel(False)])"),
            ("llama-bpe", "Sequence([Split(Regex(LLAMA3), 'isolated'), ByteLevel(False, use_regex=False)])"),
            ("qwen2", "Sequence([Split(Regex(QWEN2), 'isolated'), ByteLevel(False, use_regex=False)])"),
        ])
    func bytePair(name: String, preTokenizer: String) throws {
        let folder = try TemporaryFolder()
        let texts = JSONValue.array(Self.texts.map { .string($0) }).encoded()
        let output = try Python.run(
            #"""
            import json, sys
            from tokenizers import Regex, Tokenizer, AddedToken
            from tokenizers.models import BPE
            from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split
            from tokenizers.processors import TemplateProcessing
            from tokenizers.trainers import BpeTrainer
            LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                      r"|\s*[\r\n]+|\s+(?!\S)|\s+")
            QWEN2 = LLAMA3.replace("{1,3}", "")
            name, pre, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
            t = Tokenizer(BPE(ignore_merges=name == "llama-bpe"))
            t.pre_tokenizer = eval(pre)
            corpus = ["the quick brown fox don't jump we'll let him 12345 67 main world space user café 日本 " * 4]
            t.train_from_iterator(corpus, BpeTrainer(
                vocab_size=340, show_progress=False, initial_alphabet=ByteLevel.alphabet(),
                special_tokens=["<|begin|>", "<|im_start|>"]))
            t.add_tokens([AddedToken("main()", normalized=False)])
            if name == "llama-bpe":
                t.post_processor = TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])
            model = json.loads(t.to_str())["model"]
            size = t.get_vocab_size()
            kinds = [3, 3] + [1] * (size - 3) + [4]
            print(json.dumps(dict(
                tokens=[t.id_to_token(i) for i in range(size)], kinds=kinds,
                merges=[m if isinstance(m, str) else " ".join(m) for m in model["merges"]],
                ids=[t.encode(s).ids for s in texts])))
            """#, name, preTokenizer, String(decoding: texts, as: UTF8.self))
        let made = try JSONValue(parsing: Array(output.utf8))
        func strings(_ key: String) -> [String] { made[key]?.array?.compactMap(\.string) ?? [] }
        let kinds = made["kinds"]?.array?.compactMap { $0.integer.map(Int32.init) } ?? []
        // Two tokens that only fill the table.
        let checkpoint = try checkpoint(
            folder,
            [
                GGUFBytes.pair("tokenizer.ggml.model", "gpt2"), GGUFBytes.pair("tokenizer.ggml.pre", name),
                GGUFBytes.pair("tokenizer.ggml.tokens", strings("tokens") + ["[PAD1]", "[PAD2]"]),
                GGUFBytes.pair("tokenizer.ggml.token_type", kinds + [5, 5]),
                GGUFBytes.pair("tokenizer.ggml.merges", strings("merges")),
                GGUFBytes.pair("tokenizer.ggml.bos_token_id", UInt32(0)),
                GGUFBytes.pair("tokenizer.chat_template", "{{ messages }}"),
            ])
        let expected = ids(made["ids"])
        #expect(expected.count == Self.texts.count && expected.joined().count > 80)

        let tokenizer = try Tokenizer(files: files(of: checkpoint))
        for (text, expected) in zip(Self.texts, expected) {
            let own = tokenizer.encode(text, addSpecial: name == "llama-bpe", parseSpecial: true)
            #expect(own.map { Int($0.rawValue) } == expected, "\(text)")
        }
        let json = try #require(checkpoint.sideFiles[SideFiles.tokenizerJSON])
        let path = try folder.write("tokenizer.json", json)
        let theirs = try Python.run(
            """
            import json, sys
            from tokenizers import Tokenizer
            t = Tokenizer.from_file(sys.argv[1])
            print(json.dumps([t.encode(s).ids for s in json.loads(sys.argv[2])]))
            """, path.string, String(decoding: texts, as: UTF8.self))
        #expect(ids(try JSONValue(parsing: Array(theirs.utf8))) == expected)
        let config = try #require(try checkpoint.sideFiles.object(SideFiles.tokenizerConfig))
        #expect(config["bos_token"] == "<|begin|>" && config["chat_template"] == "{{ messages }}")
        #expect(config["add_bos_token"]?.bool == (name == "llama-bpe"))
    }

    @Test("an unknown pre-tokenizer is refused by name")
    func unknownPreTokenizer() throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: PVITError.self) {
            try checkpoint(
                folder,
                [
                    GGUFBytes.pair("tokenizer.ggml.model", "gpt2"), GGUFBytes.pair("tokenizer.ggml.pre", "tekken"),
                    GGUFBytes.pair("tokenizer.ggml.tokens", ["a"]),
                    GGUFBytes.pair("tokenizer.ggml.merges", [String]()),
                ])
        }
        #expect(error.code.name == "gguf.unsupported-tokenizer")
        #expect("\(error)".contains("tekken"))
    }

    @Test(
        "a SentencePiece tokenizer gives the ids of the tokenizer.model that it was made from",
        .needsFixtures)
    func sentencePiece() throws {
        let folder = try TemporaryFolder()
        let original = GeneratedFixtures.path("mini-llama-base-st/tokenizer.model")
        let texts = JSONValue.array(Self.texts.map { .string($0) }).encoded()
        let output = try Python.run(
            """
            import json, sys
            from sentencepiece import SentencePieceProcessor
            p = SentencePieceProcessor(model_file=sys.argv[1])
            n = p.vocab_size()
            kind = lambda i: 2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1
            print(json.dumps(dict(
                tokens=[p.id_to_piece(i) for i in range(n)], scores=[p.get_score(i) for i in range(n)],
                kinds=[kind(i) for i in range(n)], ids=[p.encode(s) for s in json.loads(sys.argv[2])])))
            """, original.string, String(decoding: texts, as: UTF8.self))
        let made = try JSONValue(parsing: Array(output.utf8))
        let tokens = made["tokens"]?.array?.compactMap(\.string) ?? []
        let scores = made["scores"]?.array?.compactMap { $0.double.map { Float($0) } } ?? []
        let kinds = made["kinds"]?.array?.compactMap { $0.integer.map(Int32.init) } ?? []
        #expect(tokens.count == 32000 && scores.count == 32000 && kinds.count == 32000)
        let checkpoint = try checkpoint(
            folder,
            [
                GGUFBytes.pair("tokenizer.ggml.model", "llama"),
                GGUFBytes.pair("tokenizer.ggml.tokens", tokens + ["<im_patch>", "<|special|>", "[PAD32002]"]),
                GGUFBytes.pair("tokenizer.ggml.scores", scores + [-1000, -1000, -10000]),
                GGUFBytes.pair("tokenizer.ggml.token_type", kinds + [4, 3, 5]),
                GGUFBytes.pair("tokenizer.ggml.add_eos_token", true),
            ])
        let expected = ids(made["ids"])
        let model = try #require(checkpoint.sideFiles[SideFiles.sentencePieceModel])
        let path = try folder.write("tokenizer.model", model)
        let theirs = try Python.run(
            """
            import json, sys
            from sentencepiece import SentencePieceProcessor
            p = SentencePieceProcessor(model_file=sys.argv[1])
            assert (p.vocab_size(), p.unk_id(), p.bos_id(), p.eos_id(), p.pad_id()) == (32000, 0, 1, 2, -1)
            print(json.dumps([p.encode(s) for s in json.loads(sys.argv[2])]))
            """, path.string, String(decoding: texts, as: UTF8.self))
        #expect(ids(try JSONValue(parsing: Array(theirs.utf8))) == expected)

        let tokenizer = try Tokenizer(files: files(of: checkpoint))
        #expect(tokenizer.vocabularySize == 32002)
        for (text, expected) in zip(Self.texts, expected) {
            let own = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
            #expect(own.map { Int($0.rawValue) } == expected, "\(text)")
        }
        let marked = tokenizer.encode("a<im_patch>b<|special|>", addSpecial: true, parseSpecial: true)
        #expect(marked.map(\.rawValue) == [1, 263, 32000, 289, 32001, 2])
    }
}
