import ArgumentParser
import Compute
import LanguageModel
import PVITModel
import Storage
import SystemPackage

/// The speed of generating tokens without or with a draft model.
struct DraftMeasurement {
    /// What a draft model changes.
    struct Change {
        /// The median of the ratios of speeds within runs.
        let ratio: Double
        let draftedCount: Int
        let acceptedCount: Int

        var acceptance: Double { Double(acceptedCount) / Double(max(draftedCount, 1)) }
    }

    let threads: Int
    /// The number of tokens generated in all runs.
    let tokenCount: Int
    /// The times of a token.
    let times: RunTimes
    /// nil without a draft model.
    let change: Change?

    static let titles: [(String, TextTable.Alignment)] = [
        ("test", .left), ("tokens", .right), ("threads", .right), ("tokens/s", .right), ("spread", .right),
        ("ratio", .right), ("guesses", .right), ("accepted", .right),
    ]

    private var name: String { change == nil ? "decode" : "decode with draft" }

    var cells: [String] {
        let speed = 1 / times.median
        return [
            name, "\(tokenCount)", "\(threads)", speed.formatted(decimals: speed < 9.995 ? 2 : 1),
            (times.spread * 100).formatted(decimals: 0) + "%", change.map { $0.ratio.formatted(decimals: 2) } ?? "",
            change.map { "\($0.draftedCount)" } ?? "",
            change.map { ($0.acceptance * 100).formatted(decimals: 0) + "%" } ?? "",
        ]
    }

    var json: JSONValue {
        [
            "test": .string(name), "tokens": .integer(tokenCount), "threads": .integer(threads),
            "tokens_per_s": .number(1 / times.median), "spread": .number(times.spread),
            "ratio": change.map { .number($0.ratio) } ?? .null,
            "drafted_tokens": .integer(change?.draftedCount ?? 0),
            "accepted_tokens": .integer(change?.acceptedCount ?? 0),
            "acceptance": change.map { .number($0.acceptance) } ?? .null,
        ]
    }
}

/// Answers prompts with and without a draft model, in turns.
struct DraftBenchmark {
    let file: FilePath
    let draft: FilePath
    let prompts: [String]
    /// The number of tokens to generate for each prompt.
    let tokenCount: Int
    let kvCache: KVCache.Storage
    let memory: MemoryOptions
    let runs: Int

    /// Requests for prose that quotes nothing.
    static let prompts = [
        "Write a short story about an old fisherman who finds a letter in a bottle on the beach.",
        "Explain to a child why the sea is salty, and where the salt comes from.",
        "Describe a walk through a small town in the mountains on the first day of winter.",
    ]

    /// Measures without and with the draft model.
    ///
    /// - Throws: `internal.defect` if the draft model changes an answer; what opening the models and answering throw.
    func measure(engine: ComputeEngine) throws -> [DraftMeasurement] {
        let contextLength = try self.contextLength(engine)
        var rounds: [(plain: GenerationResult, drafted: GenerationResult)] = []
        // The first run does not count.
        for number in 0...runs {
            try Interruption.check()
            let prompt = prompts[number % prompts.count]
            let isFirst = number == 0
            let plain = try answer(prompt, engine, contextLength, nil, reports: isFirst)
            let drafted = try answer(
                prompt, engine, contextLength,
                withContainer(at: draft) { try DraftFile(opening: draft) }, reports: isFirst)
            guard plain.tokens == drafted.tokens else {
                throw PVITError(.internalDefect, "the draft model changed the answer to \"\(prompt)\"", file: file)
            }
            if !isFirst { rounds.append((plain, drafted)) }
        }
        let ratios = RunTimes(
            seconds: rounds.map { $0.drafted.decodeTokensPerSecond / $0.plain.decodeTokensPerSecond })
        let change = DraftMeasurement.Change(
            ratio: ratios.median, draftedCount: rounds.reduce(0) { $0 + $1.drafted.draftedTokenCount },
            acceptedCount: rounds.reduce(0) { $0 + $1.drafted.acceptedTokenCount })
        return [measurement(rounds.map(\.plain), engine, nil), measurement(rounds.map(\.drafted), engine, change)]
    }

    private func measurement(
        _ results: [GenerationResult], _ engine: ComputeEngine, _ change: DraftMeasurement.Change?
    ) -> DraftMeasurement {
        DraftMeasurement(
            threads: engine.threadCount, tokenCount: results.reduce(0) { $0 + $1.decodedTokenCount },
            times: RunTimes(seconds: results.map { 1 / $0.decodeTokensPerSecond }), change: change)
    }

    /// As long as the longest prompt and its answer.
    private func contextLength(_ engine: ComputeEngine) throws -> Int {
        let model = try withContainer(at: file) { try LoadedModel(opening: file, engine: engine) }
        let length = try prompts.map { try model.tokenCount(of: $0) }.max() ?? 1
        noteContext(length + tokenCount, of: model.llama.configuration)
        return length + tokenCount
    }

    /// Answers a prompt with models that are opened for it, because a plan for one model gives the memory to that
    /// alone.
    private func answer(
        _ prompt: String, _ engine: ComputeEngine, _ contextLength: Int, _ draft: DraftFile?, reports: Bool
    ) throws -> GenerationResult {
        let request = MemoryRequest(
            limit: memory.memory, contextLength: contextLength, cacheStorage: kvCache,
            logitsRowCount: MemoryRequest.logitsRowCount(speculation: nil, hasDraft: draft != nil), isSampled: false,
            draft: draft)
        let model = try LoadedModel(opening: file, engine: engine, memory: request)
        if reports, let plan = model.memoryPlan { memory.report(plan) }
        let generator = try Generator(model, contextLength: contextLength, storage: kvCache, draft: draft)
        let options = GenerationOptions(maximumTokens: tokenCount + 1)
        let result = try generator.respond(
            to: prompt, image: nil, system: nil, isRaw: !model.hasChatTemplate, options: options, emit: { _ in })
        guard result.decodedTokenCount > 0 else {
            throw ValidationError("the answer to \"\(prompt)\" has one token only: give another --prompt")
        }
        return result
    }
}

extension LoadedModel {
    /// Whether there is a template that messages can be put into.
    fileprivate var hasChatTemplate: Bool { (try? prompts.chatTemplate) != nil }

    /// The number of tokens of a prompt, in the chat template if there is one, and the first token of the answer.
    fileprivate func tokenCount(of prompt: String) throws -> Int {
        let tokens = try hasChatTemplate ? self.prompt(of: [ChatMessage(.user, prompt)]) : self.prompt(ofRaw: prompt)
        return tokens.tokens.count + 1
    }
}
