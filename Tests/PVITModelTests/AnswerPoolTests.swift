import CheckpointTestSupport
import Compute
import LanguageModel
import ModelTestSupport
import Storage
import TestSupport
import Testing
import Tokenization

@testable import PVITModel

@Suite("Answering requests in a batch", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct AnswerPoolTests {
    private static let messages = [
        "What floats?", "What floats? And what sinks?", "Why?", "Describe the water cycle in one sentence.",
        "What floats?", "Who?", "Describe the water cycle in two sentences.", "What sinks?", "Why not?",
    ]

    /// Answers of different lengths.
    private static func options(_ number: Int) -> GenerationOptions {
        GenerationOptions(
            maximumTokens: [5, 1, 9, 3][number % 4],
            sampling: SamplingOptions(temperature: number % 3 == 0 ? 0 : 1, seed: UInt64(number)))
    }

    private func model() throws -> LoadedModel { try ModelFile.model("mini-pvit") }

    private func ask(_ pool: AnswerPool, _ messages: [String]) throws -> [(number: Int, answer: PoolAnswer)] {
        var results: [(number: Int, answer: PoolAnswer)] = []
        var next = 0
        try pool.answer(
            next: {
                guard next < messages.count else { return nil }
                defer { next += 1 }
                return PoolRequest(
                    number: next, messages: [ChatMessage(.user, messages[next])], options: Self.options(next))
            },
            finish: { results.append(($0, try $1.get())) })
        return results
    }

    @Test("a batch gives the same answers as one request at a time", arguments: [1, 2, 3, 20])
    func sameAnswers(count: Int) throws {
        let model = try model()
        let generator = try Generator(model, contextLength: 256)
        let expected = try Self.messages.enumerated().map {
            try generator.answer([ChatMessage(.user, $1)], Self.options($0))
        }
        let pool = try AnswerPool(model, count: count, contextLength: 256)
        for _ in 0..<2 {
            let results = try ask(pool, Self.messages).sorted { $0.number < $1.number }
            #expect(results.map(\.number) == Array(Self.messages.indices))
            for (result, expected) in zip(results, expected) {
                #expect(result.answer.tokens == expected.tokens)
                #expect(result.answer.text == expected.text)
                #expect(result.answer.stopReason == expected.stopReason)
                #expect(result.answer.promptTokenCount == expected.promptTokenCount)
            }
        }
    }

    @Test("a prefix that requests share is read once")
    func prefixes() throws {
        let results = try ask(AnswerPool(model(), count: 4, contextLength: 256), Self.messages)
        let reused = Dictionary(uniqueKeysWithValues: results.map { ($0.number, $0.answer.reusedTokenCount) })
        // Only the first request reads the template's own text.
        #expect(reused.filter { $0.value == 0 }.map(\.key) == [0])
        let same = results.filter { [0, 4].contains($0.number) }
        #expect(same.contains { $0.answer.reusedTokenCount == $0.answer.promptTokenCount - 1 })
    }

    @Test("a request that fails does not affect the others")
    func failures() throws {
        let model = try model()
        let pool = try AnswerPool(model, count: 2, contextLength: 80)
        let texts = ["Why?", String(repeating: "Why is it so? ", count: 40), "<image> Who?", "Who?"]
        var next = 0
        var answered: [Int] = []
        var failed: [Int: PVITError.Code] = [:]
        try pool.answer(
            next: {
                guard next < texts.count else { return nil }
                defer { next += 1 }
                return PoolRequest(
                    number: next, messages: [ChatMessage(.user, texts[next])],
                    options: GenerationOptions(maximumTokens: 3))
            },
            finish: { number, result in
                switch result {
                case .success: answered.append(number)
                case .failure(let error): failed[number] = (error as? PVITError)?.code
                }
            })
        #expect(answered.sorted().contains(0) && answered.contains(3))
        #expect(failed[2] == .promptImages)
    }

    @Test("an answer ends when the context is full, and an error thrown between passes ends all answers")
    func ends() throws {
        struct Interruption: Error {}
        let model = try model()
        let count = try model.prompt(of: [ChatMessage(.user, "Why?")]).tokens.count
        let pool = try AnswerPool(model, count: 2, contextLength: count + 9)
        func request() -> PoolRequest {
            PoolRequest(
                number: 1, messages: [ChatMessage(.user, "Why?")], options: GenerationOptions(maximumTokens: 1))
        }
        var passes = 0
        #expect(throws: Interruption.self) {
            try pool.answer(
                next: { request() },
                eachPass: {
                    passes += 1
                    if passes == 3 { throw Interruption() }
                }, finish: { _, _ in })
        }
        let generator = try Generator(model, contextLength: count + 9)
        let expected = try generator.answer([ChatMessage(.user, "Why?")], GenerationOptions(maximumTokens: 1))
        var isSent = false
        try pool.answer(
            next: {
                defer { isSent = true }
                return isSent ? nil : request()
            },
            finish: {
                let answer = try $1.get()
                #expect(answer.tokens == expected.tokens)
            })
    }
}
