import Architectures
import Checkpoints
import CheckpointTestSupport
import Compute
import Foundation
import LanguageModel
import ModelTestSupport
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import PVITModel

@Suite("Generating text", .slow, .needsFixtures)
struct GeneratorTests {
    private func generator(
        _ name: String, context: Int = 256, metadata: JSONObject = [:]
    ) throws -> Generator {
        try Generator(ModelFile.model(name, metadata: metadata), contextLength: context, storage: .f32)
    }

    @Test(
        "text, tokens and stream are those of the original code",
        arguments: [("base-text", "mini-llama-base-st"), ("gqa-text", "mini-llama-gqa"), ("pvit-text", "mini-pvit")])
    func goldens(_ text: String, _ checkpoint: String) throws {
        let golden = try GoldenText(text)
        let generator = try generator(checkpoint)
        #expect(generator.tokens(ofRaw: golden.prompt) == golden.tokens)
        var streamed: [String] = []
        let result = try generator.generate(
            generator.tokens(ofRaw: golden.prompt), GenerationOptions(maximumTokens: 24)
        ) { streamed.append($0) }
        #expect(result.tokens == golden.continuation)
        #expect(result.text == golden.continuationText)
        #expect(streamed.joined() == golden.continuationText)
        #expect(streamed.count > 10)
        #expect(result.stopReason == .length)
        #expect(result.promptTokenCount == golden.tokens.count)
        #expect(result.decodedTokenCount == 23)
    }

    @Test("PVIT's conversation needs no template in the container")
    func pvitConversation() throws {
        let golden = try GoldenText("pvit-text")
        let generator = try generator("mini-pvit")
        let messages = [ChatMessage(.user, "Describe the water cycle in one sentence.")]
        #expect(try generator.model.prompt(of: messages).tokens == golden.tokens)
        #expect(try generator.answer(messages, GenerationOptions(maximumTokens: 24)).text == golden.continuationText)
    }

    @Test("a second turn computes only the new tokens and gives the same answer")
    func prefixReuse() throws {
        let first = [ChatMessage(.user, "What floats?")]
        let options = GenerationOptions(maximumTokens: 8)
        let generator = try generator("mini-pvit")
        let answer = try generator.answer(first, options)
        #expect(answer.reusedTokenCount == 0)
        let second = first + [ChatMessage(.assistant, answer.text), ChatMessage(.user, "And what sinks?")]
        let continued = try generator.answer(second, options)
        #expect(continued.reusedTokenCount >= answer.promptTokenCount)
        #expect(continued.reusedTokenCount < continued.promptTokenCount)
        let fresh = try self.generator("mini-pvit").answer(second, options)
        #expect(fresh.reusedTokenCount == 0)
        #expect(fresh.tokens == continued.tokens)
        // The same conversation again reads only its last token.
        let again = try generator.answer(second, options)
        #expect(again.reusedTokenCount == again.promptTokenCount - 1)
        #expect(again.tokens == fresh.tokens)
    }

    @Test("a stop text, EOS, the length and the context each end an answer with their reason")
    func stopReasons() throws {
        let golden = try GoldenText("base-text")
        let name = "mini-llama-base-st"
        let plain = try generator(name)
        let cut = try #require(golden.continuationText.range(of: "microComp"))
        let stopped = try plain.generate(golden.tokens, GenerationOptions(maximumTokens: 24, stops: ["microComp"]))
        #expect(stopped.stopReason == .stop)
        #expect(stopped.text == golden.continuationText[..<cut.lowerBound])

        let ending: JSONObject = [
            "model.generation_config": ["eos_token_id": [3, .integer(Int(golden.continuation[3].rawValue))]]
        ]
        let ended = try generator(name, metadata: ending).generate(golden.tokens, GenerationOptions(maximumTokens: 24))
        #expect(ended.stopReason == .eos)
        #expect(ended.tokens == Array(golden.continuation[...3]))
        #expect(golden.continuationText.hasPrefix(ended.text))
        #expect(ended.text == plain.model.tokenizer.decode(golden.continuation[..<3]))

        let none = try plain.generate(golden.tokens, GenerationOptions(maximumTokens: 0))
        #expect(none.stopReason == .length)
        #expect(none.tokens.isEmpty && none.text.isEmpty)

        // The token drawn last needs no position in the cache.
        let full = try generator(name, context: golden.tokens.count + 4).generate(golden.tokens)
        #expect(full.stopReason == .context)
        #expect(full.tokens == Array(golden.continuation[..<5]))
        let error = #expect(throws: PVITError.self) {
            try generator(name, context: golden.tokens.count - 1).generate(golden.tokens)
        }
        #expect(error?.code == .contextFull)
    }

    @Test("an error thrown while an answer is emitted ends it, and the next answer is correct")
    func interruption() throws {
        struct Interruption: Error {}
        let golden = try GoldenText("base-text")
        let generator = try generator("mini-llama-base-st")
        #expect(throws: Interruption.self) {
            try generator.generate(golden.tokens, GenerationOptions(maximumTokens: 24)) { _ in throw Interruption() }
        }
        let result = try generator.generate(golden.tokens, GenerationOptions(maximumTokens: 24))
        #expect(result.tokens == golden.continuation)
    }

    @Test("a model without a template rejects conversations and names --raw")
    func noTemplate() throws {
        let generator = try generator("mini-llama-gqa")
        let error = #expect(throws: PVITError.self) { try generator.answer([ChatMessage(.user, "Hello")]) }
        #expect(error?.code == .chatTemplate)
        #expect(error?.remedy?.contains("--raw") == true)
    }

    @Test("an incomplete model is refused")
    func notAModel() throws {
        let engine = try ComputeEngine(threadCount: 1)
        let name = "mini-llama-gqa"
        let noConfig = #expect(throws: PVITError.self) {
            _ = try LoadedModel(opening: ModelFile.path(name, metadata: ["model.config": .null]), engine: engine)
        }
        #expect(noConfig?.code == .modelConfig)
        #expect(noConfig?.file != nil)
        var config = try ModelFile.checkpoint(name).config ?? [:]
        config["num_hidden_layers"] = 4
        let missing = #expect(throws: PVITError.self) {
            _ = try LoadedModel(
                opening: ModelFile.path(name, metadata: ["model.config": .object(config)]), engine: engine)
        }
        #expect(missing?.tensor == "model.layers.3.input_layernorm.weight")
    }

    @Test("evaluation windows begin with BOS")
    func windows() throws {
        let model = try generator("mini-llama-base-st").model
        let text = String(repeating: "Water rises and falls. ", count: 12)
        let windows = try model.windows(of: Array(text.utf8), context: 16)
        let tokens = model.tokenizer.encode(text)
        #expect(windows.windows.count == tokens.count / 16)
        #expect(windows.windows.allSatisfy { $0[0] == 1 })
        #expect(Array(windows.windows[1][1...]) == Array(tokens[17..<32]))
    }
}
