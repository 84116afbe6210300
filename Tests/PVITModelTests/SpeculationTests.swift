import CheckpointTestSupport
import Compute
import LanguageModel
import ModelTestSupport
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import PVITModel

@Suite("Speculation and sliding contexts", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct SpeculationTests {
    private func generator(_ name: String, context: Int = 256) throws -> Generator {
        try Generator(ModelFile.model(name), contextLength: context)
    }

    /// A text with repetitions. A model with random weights repeats it no more than any other text.
    private static let prompt: [TokenID] = [1] + (0..<60).map { TokenID(rawValue: Int32(300 + $0 * $0 % 11)) }

    static let samplings = [
        SamplingOptions(), SamplingOptions(temperature: 0.8, topK: 3, seed: 5),
        SamplingOptions(temperature: 1.2, topP: 0.9, repetitionPenalty: 1.1, seed: 6),
        // Rewards repetition, so that guesses are accepted.
        SamplingOptions(temperature: 0, repetitionPenalty: 0.05),
    ]

    @Test(
        "guessing changes neither tokens nor text nor stop reason",
        arguments: ["mini-llama-base-st", "mini-llama-gqa"],
        samplings)
    func sameAnswer(_ name: String, _ sampling: SamplingOptions) throws {
        let plain = try generator(name)
        let guessing = try generator(name)
        for (maximum, limit) in [(40, 1), (41, 4), (90, 16), (1, 16), (2, 16)] {
            let expected = try plain.generate(
                Self.prompt, GenerationOptions(maximumTokens: maximum, sampling: sampling))
            var streamed = ""
            let result = try guessing.generate(
                Self.prompt, GenerationOptions(maximumTokens: maximum, sampling: sampling, speculation: limit)
            ) { streamed += $0 }
            #expect(result.tokens == expected.tokens)
            #expect(result.text == expected.text && streamed == expected.text)
            #expect(result.stopReason == expected.stopReason)
            #expect(expected.draftedTokenCount == 0)
            #expect(result.acceptedTokenCount <= result.draftedTokenCount)
            #expect(result.decodedTokenCount == expected.decodedTokenCount)
        }
    }

    @Test("repetitions are guessed up to the end of the context")
    func accepted() throws {
        let options = GenerationOptions(sampling: Self.samplings[3], speculation: 16)
        let result = try generator("mini-llama-gqa", context: 200).generate(Self.prompt, options)
        #expect(result.acceptedTokenCount > 40)
        #expect(result.stopReason == .context)
        #expect(result.promptTokenCount + result.tokens.count == 201)
        let stop = String(result.text.suffix(8))
        var stopped = options
        stopped.stops = [stop]
        let cut = try generator("mini-llama-gqa", context: 200).generate(Self.prompt, stopped)
        stopped.speculation = nil
        let expected = try generator("mini-llama-gqa", context: 200).generate(Self.prompt, stopped)
        #expect(cut.text == expected.text && cut.tokens == expected.tokens && cut.stopReason == .stop)
    }

    @Test("an answer after a guessed or an interrupted one is correct")
    func afterwards() throws {
        struct Interruption: Error {}
        let generator = try generator("mini-llama-gqa")
        let options = GenerationOptions(maximumTokens: 50, sampling: Self.samplings[3], speculation: 8)
        let first = try generator.generate(Self.prompt, options)
        let next = Self.prompt + first.tokens.dropLast(3) + [9, 10]
        let continued = try generator.generate(next, options)
        #expect(continued.reusedTokenCount == next.count - 2)
        var chunks = 0
        #expect(throws: Interruption.self) {
            try generator.generate(Self.prompt, options) { _ in
                chunks += 1
                if chunks == 3 { throw Interruption() }
            }
        }
        let again = try generator.generate(next, options)
        #expect(again.tokens == continued.tokens)
        #expect(try self.generator("mini-llama-gqa").generate(next, options).tokens == continued.tokens)
    }

    @Test("in a sliding context, every token is the model's continuation of what is kept", arguments: [nil, 8])
    func slide(speculation: Int?) throws {
        let name = "mini-llama-base-st"
        let options = GenerationOptions(maximumTokens: 70, speculation: speculation, overflow: .slide)
        let prompt = Array(Self.prompt[..<20])
        let result = try generator(name, context: 32).generate(prompt, options)
        #expect(result.tokens.count == 70 && result.stopReason == .length)
        // The first token stays, and 15 of the others are dropped at a time.
        #expect(result.droppedTokenCount == 60)
        let window = try ContextWindow(capacity: 32, fixedCount: 1)
        let fresh = try generator(name, context: 32)
        let all = prompt + result.tokens
        for (made, token) in result.tokens.enumerated() {
            let count = prompt.count + made
            // The tokens that were in the context when this one was drawn.
            let dropped = window.droppedCount(of: count)
            let kept = [all[0]] + all[(1 + dropped)..<count]
            let next = try fresh.generate(kept, GenerationOptions(maximumTokens: 1))
            #expect(next.tokens == [token])
        }
    }

    @Test("a prompt that does not fit slides as well, and a longer one reuses what was kept")
    func longPrompt() throws {
        let generator = try generator("mini-llama-gqa", context: 40)
        let options = GenerationOptions(maximumTokens: 5, overflow: .slide)
        let error = #expect(throws: PVITError.self) { try generator.generate(Self.prompt) }
        #expect(error?.code == .contextFull)
        let bos = generator.model.prompts.bosCount(of: Self.prompt)
        let window = try ContextWindow(capacity: 40, fixedCount: bos)
        let result = try generator.generate(Self.prompt, options)
        #expect(result.droppedTokenCount == window.droppedCount(of: Self.prompt.count + 4))
        let longer = Self.prompt + result.tokens
        let continued = try generator.generate(longer, options)
        #expect(window.droppedCount(of: longer.count) > result.droppedTokenCount || continued.reusedTokenCount > 20)
        #expect(try self.generator("mini-llama-gqa", context: 40).generate(longer, options).tokens == continued.tokens)
    }

    @Test("a sliding conversation keeps its instructions")
    func instructions() throws {
        let generator = try generator("mini-pvit", context: 120)
        let messages = [
            ChatMessage(.system, "Be brief."), ChatMessage(.user, String(repeating: "Why is it so? ", count: 30)),
        ]
        let prompt = try generator.model.prompt(of: messages)
        let text = generator.model.tokenizer.decode(Array(prompt.tokens[..<prompt.fixedCount]))
        #expect(text.contains("Be brief.") && !text.contains("Why"))
        let result = try generator.answer(messages, GenerationOptions(maximumTokens: 4, overflow: .slide))
        #expect(result.droppedTokenCount > 0 && result.cutTokenCount == 0)
        // Half of the space that is not fixed is dropped at a time.
        #expect(result.droppedTokenCount % ((120 - prompt.fixedCount) / 2) == 0)
    }
}
