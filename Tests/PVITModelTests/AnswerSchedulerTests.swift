import CheckpointTestSupport
import Glibc
import LanguageModel
import ModelTestSupport
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import PVITModel

@Suite("Scheduling answers", .slow, .needsFixtures)
struct AnswerSchedulerTests {
    /// What requests receive, in order.
    private final class Events {
        private(set) var list: [(id: Int, event: AnswerEvent)] = []

        func append(_ id: Int, _ event: AnswerEvent) { list.append((id, event)) }

        func text(_ id: Int) -> String {
            list.filter { $0.id == id }.reduce(into: "") { text, item in
                if case .text(let chunk, _) = item.event { text += chunk }
            }
        }

        func result(_ id: Int) throws -> PoolAnswer? {
            for item in list where item.id == id {
                if case .end(let result) = item.event { return try result.get() }
            }
            return nil
        }
    }

    private let events = Events()

    private func submit(
        _ id: Int, _ prompt: ModelPrompt, to scheduler: AnswerScheduler, count: Int, seed: UInt64? = nil
    ) throws {
        let sampling = SamplingOptions(temperature: seed == nil ? 0 : 1, seed: seed ?? 0)
        let turn = try scheduler.model.prompts.turn(GenerationOptions(maximumTokens: count, sampling: sampling))
        let task = AnswerTask(prompt: prompt, options: turn.options, ends: turn.ends)
        try scheduler.submit(task, id: id) { [events] in events.append(id, $0) }
    }

    private func prompt(_ text: String, _ model: LoadedModel) throws -> ModelPrompt {
        try model.prompt(of: [ChatMessage(.user, text)])
    }

    private func finish(_ scheduler: AnswerScheduler) {
        while !scheduler.isIdle { scheduler.step() }
    }

    @Test("an image with regions, a long prompt and short ones give the same answers together as alone")
    func together() throws {
        let model = try PVITFile.model()
        let image = try model.image(#require(try PVITCase("0024-multi-turn").decodedImage()))
        let region = "<Region><L100><L120><L600><L900></Region>"
        let conversations: [(messages: [ChatMessage], hasImage: Bool)] = [
            ([ChatMessage(.user, "Why?")], false),
            ([ChatMessage(.user, "<image>\nWhat is in \(region)?")], true),
            ([ChatMessage(.user, String(repeating: "Describe the water cycle. ", count: 40))], false),
            ([ChatMessage(.user, "<image>\nWhat is in \(region)? And why?")], true),
            ([ChatMessage(.user, "Who?")], false),
        ]
        let scheduler = try AnswerScheduler(model, slotCount: 4, contextLength: 512, storage: .f32)
        for (id, item) in conversations.enumerated() {
            let prompt = try model.prompt(of: item.messages, image: item.hasImage ? image : nil)
            try submit(id, prompt, to: scheduler, count: 12, seed: UInt64(id))
        }
        finish(scheduler)
        for (id, item) in conversations.enumerated() {
            let options = GenerationOptions(
                maximumTokens: 12, sampling: SamplingOptions(temperature: 1, seed: UInt64(id)))
            let expected = try PVITFile.generator().answer(
                item.messages, image: item.hasImage ? image : nil, options)
            let result = try #require(try events.result(id))
            #expect(result.tokens == expected.tokens && result.text == expected.text)
            #expect(events.text(id) == expected.text)
        }
        // The second question about the image takes its prefix over from the first.
        #expect(try #require(try events.result(3)).reusedTokenCount > 256)
    }

    @Test("answers go on while a long prompt is read, and while an image is encoded")
    func interleaving() throws {
        let model = try PVITFile.model()
        let image = try model.image(#require(try PVITCase("0024-multi-turn").decodedImage()))
        let scheduler = try AnswerScheduler(model, slotCount: 3, contextLength: 512, storage: .f32)
        try submit(0, prompt("Why?", model), to: scheduler, count: 200, seed: 5)
        while events.text(0).isEmpty { scheduler.step() }
        let shown = try model.prompt(of: [ChatMessage(.user, "<image>\nWhat?")], image: image)
        try submit(1, shown, to: scheduler, count: 2)
        while try events.result(1) == nil { scheduler.step() }
        let start = try #require(events.list.firstIndex { $0.id == 1 })
        let first = try #require(
            events.list.firstIndex { item in
                if case .text = item.event { item.id == 1 } else { false }
            })
        let steps = events.list[start..<first]
        var imageIsEncoded = false
        var (during, after) = (0, 0)
        for (id, event) in steps {
            if id == 1, case .prefill(.tokens) = event { imageIsEncoded = true }
            guard id == 0 else { continue }
            if imageIsEncoded { after += 1 } else { during += 1 }
        }
        #expect(during >= 2 && after >= 2)
    }

    @Test("a cancelled request ends without an event, at any point, and does not change the others")
    func cancellation() throws {
        let model = try PVITFile.model()
        let image = try model.image(#require(try PVITCase("0024-multi-turn").decodedImage()))
        let long = try prompt(String(repeating: "Describe the water cycle. ", count: 50), model)
        let shown = try model.prompt(of: [ChatMessage(.user, "<image>\nWhat?")], image: image)
        let expected = try PVITFile.generator().answer(
            [ChatMessage(.user, "Why?")], GenerationOptions(maximumTokens: 9))
        for (victim, stepCount) in [(long, 0), (long, 1), (long, 3), (shown, 0), (shown, 1)] {
            let gate = ComputationGate()
            let scheduler = try AnswerScheduler(model, gate: gate, slotCount: 2, contextLength: 512, storage: .f32)
            let events = Events()
            let turn = try model.prompts.turn(GenerationOptions(maximumTokens: 9))
            for (id, prompt) in [(1, try prompt("Why?", model)), (2, victim)] {
                let task = AnswerTask(prompt: prompt, options: turn.options, ends: turn.ends)
                try scheduler.submit(task, id: id) {
                    events.append(id, $0)
                    // While the image is encoded, answers of others arrive: cancel in the middle of that.
                    if stepCount == 1, id == 1, case .text = $0 { gate.cancel(2) }
                }
            }
            for _ in 0..<stepCount { scheduler.step() }
            gate.cancel(2)
            finish(scheduler)
            #expect(try events.result(1)?.tokens == expected.tokens)
            #expect(try events.result(2) == nil)
            #expect(scheduler.runningCount == 0)
        }
    }

    @Test("prefixes are kept for later requests, within the memory of the slots")
    func prefixes() throws {
        let model = try ModelFile.model("mini-pvit")
        let scheduler = try AnswerScheduler(model, slotCount: 4, contextLength: 128)
        for id in 0..<30 {
            // Four conversations that come again, then new ones.
            let text = "Question \(id < 12 ? id % 4 : id): " + String(repeating: "why is it so? ", count: 4)
            try submit(id, prompt(text, model), to: scheduler, count: 3)
            finish(scheduler)
            let bytes = scheduler.cacheByteCount
            #expect(bytes.used > 0 && bytes.used <= bytes.limit)
        }
        for id in 4..<12 {
            let again = try #require(try events.result(id))
            #expect(again.reusedTokenCount == again.promptTokenCount - 1)
        }
        #expect(scheduler.cacheByteCount.used > scheduler.cacheByteCount.limit / 2)
    }

    @Test("log probabilities are those of the softmax of the model's logits")
    func logprobs() throws {
        let model = try ModelFile.model("mini-pvit")
        var options = GenerationOptions(maximumTokens: 3)
        options.logprobCount = 4
        let prompt = try prompt("Why?", model)
        let turn = try model.prompts.turn(options)
        let scheduler = try AnswerScheduler(model, slotCount: 1, contextLength: 128, storage: .f32)
        let task = AnswerTask(prompt: prompt, options: turn.options, ends: turn.ends)
        try scheduler.submit(task, id: 0) { [events] in events.append(0, $0) }
        finish(scheduler)
        let reported = events.list.flatMap { item -> [TokenLogprobs] in
            if case .text(_, let list) = item.event { list } else { [] }
        }
        let drawn = try #require(try events.result(0)).tokens
        #expect(reported.map(\.drawn.token) == drawn)
        var cache = try KVCache(for: model.llama.configuration, storage: .f32, capacity: 128)
        var expected: [[Double]] = []
        let tokens = prompt.tokens + drawn.dropLast()
        try model.llama.forward(.tokens(tokens), cache: &cache, logits: .from(prompt.tokens.count - 1)) { _, logits in
            let values = logits.indices.map { Double(logits[$0]) }
            let sum = values.reduce(0) { $0 + exp($1) }
            expected.append(values.map { $0 - log(sum) })
        }
        for (entry, probabilities) in zip(reported, expected) {
            #expect(entry.top.count == 4)
            #expect(entry.top.map(\.logprob) == entry.top.map(\.logprob).sorted(by: >))
            #expect(abs(entry.top[0].logprob - (probabilities.max() ?? 0)) < 1e-4)
            for item in entry.top + [entry.drawn] {
                #expect(abs(item.logprob - probabilities[Int(item.token.rawValue)]) < 1e-4)
            }
        }
    }
}
