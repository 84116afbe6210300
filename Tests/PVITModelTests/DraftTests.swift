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

@Suite("Draft models", .slow, .needsFixtures)
struct DraftTests {
    private static let prompt: [TokenID] = [1] + (0..<30).map { TokenID(rawValue: Int32(300 + $0 * $0 % 11)) }

    private func generator(_ name: String, draft: String? = nil, context: Int = 256) throws -> Generator {
        try Generator(
            ModelFile.model(name), contextLength: context, storage: .f32,
            draft: draft.map { try DraftFile(opening: ModelFile.path($0)) })
    }

    @Test("a greedy answer is the same with any draft model, and one that knows the answer is always accepted")
    func greedy() throws {
        let expected = try generator("mini-llama-base-st").generate(
            Self.prompt, GenerationOptions(maximumTokens: 40))
        for draft in ["mini-llama-base-st", "mini-llama-gqa", "mini-pvit"] {
            let drafting = try generator("mini-llama-base-st", draft: draft)
            for _ in 0..<2 {
                let answer = try drafting.generate(Self.prompt, GenerationOptions(maximumTokens: 40))
                #expect(answer.tokens == expected.tokens && answer.text == expected.text)
                #expect(answer.draftedTokenCount > 0 && answer.acceptedTokenCount <= answer.draftedTokenCount)
                if draft == "mini-llama-base-st" { #expect(answer.acceptedTokenCount == answer.draftedTokenCount) }
            }
            let quoting = GenerationOptions(maximumTokens: 40, speculation: 8)
            #expect(try drafting.generate(Self.prompt, quoting).tokens == expected.tokens)
        }
    }

    @Test("a short context and a sliding one give the answer that they give without a draft")
    func contexts() throws {
        for overflow in ContextOverflow.allCases {
            let options = GenerationOptions(maximumTokens: 40, overflow: overflow)
            let expected = try generator("mini-llama-base-st", context: 44).generate(Self.prompt, options)
            let answer = try generator("mini-llama-base-st", draft: "mini-llama-base-st", context: 44)
                .generate(Self.prompt, options)
            #expect(answer.tokens == expected.tokens && answer.stopReason == expected.stopReason)
            #expect(answer.acceptedTokenCount > 0)
        }
    }

    @Test("a seed gives the same sampled answer each time")
    func seed() throws {
        let sampling = SamplingOptions(temperature: 1.1, topK: 40, topP: 0.95, repetitionPenalty: 1.05, seed: 3)
        let options = GenerationOptions(maximumTokens: 30, sampling: sampling)
        let drafting = try generator("mini-llama-base-st", draft: "mini-llama-gqa")
        let first = try drafting.generate(Self.prompt, options)
        #expect(first.draftedTokenCount > 0)
        #expect(try drafting.generate(Self.prompt, options).tokens == first.tokens)
        // A draft model that is the model itself, but with keys and values in f16, is hardly ever refused.
        let same = try generator("mini-llama-base-st", draft: "mini-llama-base-st").generate(Self.prompt, options)
        #expect(same.acceptedTokenCount > 0 && same.acceptedTokenCount >= same.draftedTokenCount - 1)
    }

    @Test("a draft model with another vocabulary is refused")
    func vocabulary() throws {
        func metadata(_ token: String) -> JSONObject { ["tokenizer.added_tokens": .object([token: 32000])] }
        let name = "mini-llama-gqa"
        let model = try ModelFile.model(name, metadata: metadata("<a>"))
        let error = try #require(throws: PVITError.self) {
            try Generator(
                model, contextLength: 64,
                draft: DraftFile(opening: ModelFile.path(name, metadata: metadata("<b>"))))
        }
        #expect(error.code == .draftVocabulary && error.remedy != nil && error.file != nil)
        // Further tokens at the end do no harm.
        _ = try Generator(model, contextLength: 64, draft: DraftFile(opening: ModelFile.path(name)))
    }

    @Test("guesses are as many as pay: none for long if they fail, more if they are free")
    func pace() {
        func run(step: Double, confidence: Double, isAccepted: Bool, rounds: Int) -> (guessed: Int, passes: Int) {
            var pace = DraftPace(relativeCost: step, measures: false)
            for _ in 0..<rounds {
                var guesses: [GuessedToken] = []
                if pace.begins() {
                    while guesses.count < pace.limit, pace.includes(confidence: confidence) {
                        guesses.append(
                            GuessedToken(
                                token: 1, distribution: TokenDistribution([(1, 1)]), confidence: confidence))
                        if !pace.continues() { break }
                    }
                }
                pace.recordPass(
                    rows: guesses.count + 1, .zero, guesses: guesses, accepted: isAccepted ? guesses.count : 0)
            }
            return (pace.guessedCount, rounds)
        }
        let failing = run(step: 0.2, confidence: 0.6, isAccepted: false, rounds: 200)
        #expect(failing.guessed < 40)
        let cheap = run(step: 0.01, confidence: 0.95, isAccepted: true, rounds: 50)
        let dear = run(step: 0.5, confidence: 0.95, isAccepted: true, rounds: 50)
        #expect(cheap.guessed > dear.guessed && dear.guessed > 50)
    }
}
