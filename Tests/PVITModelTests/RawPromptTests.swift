import CheckpointTestSupport
import Compute
import Container
import LanguageModel
import ModelTestSupport
import Storage
import Tensors
import Testing
import Tokenization

@testable import PVITModel

@Suite("Raw prompts", .needsFixtures)
struct RawPromptTests {
    private func generator(_ metadata: JSONObject = [:]) throws -> Generator {
        try Generator(
            ModelFile.model("mini-llama-base-st", metadata: metadata), contextLength: 128, storage: .f32)
    }

    @Test("prompt + answer is the decoded text of all tokens, whether streamed, guessed or stopped")
    func joined() throws {
        let generator = try generator()
        let tokenizer = generator.model.tokenizer
        var spaces = 0
        for prompt in ["1 2 3", "Once upon a time", "<s>Hello\n", "a ", ""] {
            let tokens = generator.tokens(ofRaw: prompt)
            let text = tokenizer.decode(tokens)
            var streamed = ""
            let plain = try generator.complete(prompt, GenerationOptions(maximumTokens: 12)) { streamed += $0 }
            #expect(plain.text == streamed)
            #expect(text + plain.text == tokenizer.decode(tokens + plain.tokens))
            let guessed = try generator.complete(prompt, GenerationOptions(maximumTokens: 12, speculation: 8))
            #expect(guessed.text == plain.text)
            spaces += plain.text.hasPrefix(" ") ? 1 : 0
            let stop = String(plain.text.dropFirst(6).prefix(2))
            let stopped = try generator.complete(prompt, GenerationOptions(maximumTokens: 12, stops: [stop]))
            let end = try #require(plain.text.firstRange(of: stop))
            #expect(stopped.text == String(plain.text[..<end.lowerBound]) && stopped.stopReason == .stop)
        }
        #expect(spaces > 0)
    }

    @Test("a prompt that begins with BOS has it only once")
    func oneBOS() throws {
        let generator = try generator()
        let plain = try generator.model.prompt(ofRaw: "Water rises")
        #expect(plain.tokens.prefix(2).first == 1 && plain.tokens[1] != 1)
        #expect(try generator.model.prompt(ofRaw: "<s> Water rises").tokens.prefix(2) != [1, 1])
    }

    @Test("a model runs although its tokenizer has more tokens than its embeddings")
    func moreTokens() throws {
        let files: JSONObject = [
            "tokenizer.added_tokens": ["<pad>": 32000, "<extra>": 32001],
            "tokenizer.special_tokens_map": ["pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"],
        ]
        let generator = try generator(files)
        let prompt = "Water rises and falls"
        let options = GenerationOptions(maximumTokens: 6)
        #expect(try generator.complete(prompt, options).text == self.generator().complete(prompt, options).text)
        let model = generator.model
        func error(_ body: () throws -> Void) throws -> String {
            let error = try #require(throws: PVITError.self) { try body() }
            #expect(error.code == .modelToken)
            return error.description
        }
        for message in [
            try error { _ = try generator.complete("a<pad>") },
            try error { _ = try generator.generate([1, 32000]) },
            try error { _ = try model.prompt(ofRaw: "a <pad> b") },
        ] {
            #expect(message.contains("\"<pad>\"") && message.contains("only 32000 tokens"))
        }
        let text = Array(String(repeating: "rises and <extra> falls ", count: 20).utf8)
        #expect(try error { _ = try model.windows(of: text, context: 16) }.contains("<extra>"))
        // In an evaluation text, a special token is plain text.
        #expect(
            try model.windows(of: Array(String(repeating: "<pad> ", count: 20).utf8), context: 16).windows.count > 1)
        #expect(try error { try model.check([32002]) }.contains("32002"))
    }

    @Test("if BOS has no embedding, the error tells how to disable it")
    func bosWithoutEmbedding() throws {
        let generator = try generator([
            "tokenizer.added_tokens": ["<bos>": 32000],
            "tokenizer.special_tokens_map": [:],
            "tokenizer.config": ["bos_token": "<bos>", "tokenizer_class": "LlamaTokenizer"],
        ])
        let error = #expect(throws: PVITError.self) {
            try generator.complete("Water", GenerationOptions(maximumTokens: 1))
        }
        #expect(error?.code == .modelToken && error?.remedy?.contains("add_bos_token") == true)
    }

    @Test("tokens that the tokenizer does not know are skipped when decoding")
    func fewerTokens() throws {
        let tokenizer = try generator().model.tokenizer
        #expect(tokenizer.decode([450, 32000, 450]) == "The The" && tokenizer.piece(of: 32000) == nil)
    }
}
