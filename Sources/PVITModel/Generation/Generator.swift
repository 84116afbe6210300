import Architectures
import Compute
import LanguageModel
import Platform
import Tensors
import Tokenization
import Vision

/// Answers requests one at a time. The prefix that a prompt shares with the text before it is not computed again.
package final class Generator {
    /// The model.
    package let model: LoadedModel
    /// The maximum number of positions for prompt and answer together.
    package var contextLength: Int { cache.capacity }
    /// Called before each step of prefill.
    package var onPrefill: (PrefillStep) -> Void = { _ in }
    var cache: KVCache
    /// The content of the cache.
    var cached: [ModelPrompt.Position] = []
    private let draft: DraftModel?
    /// The files that the model and its draft model are read from.
    package let inputs: [FilePath]
    /// The number of the answer whose text the cache holds; nil if that is unknown, as after an error.
    private var contentNumber: Int?
    /// How many answers have begun.
    private var beginCount = 0

    /// Creates a generator and allocates its KV cache.
    ///
    /// - Parameters:
    ///   - contextLength: The maximum number of positions. nil takes the memory plan's, or the length that the model
    ///     was trained for.
    ///   - storage: The type of keys and values. nil takes the memory plan's, or `f16`.
    ///   - draft: A small model that guesses how answers continue; the model checks several guesses in one pass. Its
    ///     needs are part of the memory request that the model was opened with.
    /// - Throws: `model.cache` if a context of that length is not possible; `draft.vocabulary`, and what opening a
    ///   model throws.
    package init(
        _ model: LoadedModel, contextLength: Int? = nil, storage: KVCache.Storage? = nil, draft: DraftFile? = nil
    ) throws {
        self.model = model
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        let capacity = contextLength ?? plan?.contextLength ?? configuration.maximumPositions
        cache = try KVCache(
            for: configuration, storage: storage ?? plan?.cacheStorage ?? .f16, capacity: capacity)
        inputs = [model.container.path] + (draft.map { [$0.container.path] } ?? [])
        self.draft = try draft.map { try DraftModel($0, for: model, contextLength: capacity) }
    }

    /// Answers a conversation, which may be about an image. The answer ends where the template ends a turn. A further
    /// request about the same image does not encode it again.
    ///
    /// - Throws: What `LoadedModel.prompt(of:image:room:)` and `generate` throw.
    package func answer(
        _ messages: [ChatMessage], image: PreparedImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try finish(begin(messages, image: image, options), emit)
    }

    /// Continues a text without a chat template. `<image>` in the text stands for the image. The answer keeps the space
    /// in front of its first word, so text + answer is the decoded text of all tokens.
    ///
    /// - Throws: What `LoadedModel.prompt(ofRaw:image:room:)` and `generate` throw.
    package func complete(
        _ text: String, image: PreparedImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try finish(begin(text: text, image: image, options), emit)
    }

    /// Begins the answer to a conversation: see `answer`. Nothing is computed before the first step.
    package func begin(
        _ messages: [ChatMessage], image: PreparedImage? = nil, _ options: GenerationOptions
    ) throws -> Generation {
        let prompt = try model.prompt(of: messages, image: image, room: room(for: options))
        let turn = try model.prompts.turn(options)
        return try begin(prompt, turn.options, ends: turn.ends)
    }

    /// Begins the continuation of a text: see `complete`.
    package func begin(
        text: String, image: PreparedImage? = nil, _ options: GenerationOptions
    ) throws -> Generation {
        try begin(
            model.prompt(ofRaw: text, image: image, room: room(for: options)), options, ends: model.endTokens,
            continuesText: true)
    }

    /// Begins the continuation of tokens.
    ///
    /// - Throws: `model.token`, `sampling.option`, `model.context-full`.
    package func begin(tokens: [TokenID], _ options: GenerationOptions) throws -> Generation {
        try begin(
            model.prompts.prompt(ofTokens: tokens), options, ends: model.endTokens, continuesText: true)
    }

    /// The room for a prompt.
    private func room(for options: GenerationOptions) -> PromptRoom {
        PromptRoom(contextLength: contextLength, options)
    }

    /// Answers a prompt.
    ///
    /// - Parameters:
    ///   - prompt: At least one token.
    ///   - ends: The tokens that end the answer.
    ///   - continuesText: Whether the answer continues the text of the prompt (see `Answer`).
    ///   - emit: Receives the answer in chunks of whole characters. If it throws, the answer ends.
    /// - Throws: `model.context-full` if the prompt does not fit, and errors of model and sampler.
    func generate(
        _ prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        _ emit: (String) throws -> Void
    ) throws -> GenerationResult {
        try finish(begin(prompt, options, ends: ends, continuesText: continuesText), emit)
    }

    private func begin(
        _ prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false
    ) throws -> Generation {
        let window =
            options.overflow == .slide
            ? try ContextWindow(capacity: contextLength, fixedCount: prompt.fixedCount) : nil
        let dropped = window?.droppedCount(of: prompt.tokens.count) ?? 0
        try prompt.checkDropping(dropped)
        beginCount += 1
        return Generation(
            number: beginCount, prompt: prompt,
            answer: try Answer(to: prompt, options, ends: ends, continuesText: continuesText, model.tokenizer),
            speculation: options.speculation.map { Speculation(limit: $0) },
            drafting: try draft.map { try Drafting($0, options.sampling) }, window: window, dropped: dropped)
    }

    private func finish(
        _ generation: consuming Generation, _ emit: (String) throws -> Void
    ) throws -> GenerationResult {
        while !generation.isFinished {
            let text = try advance(&generation)
            if !text.isEmpty { try emit(text) }
        }
        return generation.result
    }

    /// Makes the next token of an answer, or several if drafts are accepted. The first step also reads the prompt.
    ///
    /// If another answer has used the cache since the last step, what it replaced is read again; the answer does not
    /// change. After an error the step can be repeated.
    ///
    /// - Returns: The text that has become final: whole characters, often none.
    /// - Throws: `model.context-full` if the prompt does not fit, and errors of model and sampler.
    package func advance(_ generation: inout Generation) throws -> String {
        let start = MonotonicTime.now
        if generation.read == nil {
            let kept = generation.prompt.dropping(generation.dropped)
            let read = try readPrompt(kept, &generation.answer, of: generation.number, report: onPrefill)
            generation.read = Generation.PromptReading(
                reused: read.reused, prefilled: kept.tokens.count - read.reused, vision: read.vision,
                time: MonotonicTime.now - start - read.vision.total, statistics: model.llama.streamStatistics)
        } else if generation.answer.reason == nil {
            try decode(&generation)
            generation.decodeTime += MonotonicTime.now - start
        }
        if let read = generation.read {
            generation.decodeStream = model.llama.streamStatistics - read.statistics
        }
        var text = ""
        try generation.answer.flush { text += $0 }
        return text
    }

    private func decode(_ generation: inout Generation) throws {
        let history = generation.answer.history
        if cached.count == cache.capacity, contentNumber == generation.number {
            guard let window = generation.window else { return generation.answer.end(.context) }
            generation.dropped = window.droppedCount(of: history.count)
        } else if contentNumber == generation.number {
            return try decodeNext(&generation)
        }
        // The text so far is read, including the token drawn last.
        let text = generation.prompt.appending(generation.answer.tokens).dropping(generation.dropped)
        guard text.tokens.count <= cache.capacity else { return generation.answer.end(.context) }
        _ = try readPrompt(text, &generation.answer, of: generation.number)
    }

    /// Reads the rest of a prompt that the cache does not hold, and draws the token that follows.
    ///
    /// - Parameter report: Called before each step.
    private func readPrompt(
        _ prompt: ModelPrompt, _ answer: inout Answer, of number: Int, report: (PrefillStep) -> Void = { _ in }
    ) throws -> (reused: Int, vision: VisionTimings) {
        contentNumber = nil
        // The last token is always read again, because its logits are needed.
        let common = zip(cached, prompt.positions.dropLast()).prefix { $0 == $1 }.count
        truncate(to: common)
        try cache.checkRoom(for: prompt.tokens.count - common)
        // Encoding an image may use the memory that keys and values do not fill yet.
        if let plan = model.memoryPlan, plan.visionByteCount > 0 { cache.releaseUnfilled() }
        if prompt.showsImage(from: common) { report(.image) }
        let (input, timings) = try model.input(for: prompt, from: common)
        report(.tokens(0, of: input.count))
        do {
            try model.llama.forward(input, cache: &cache) { _, logits in
                if answer.reason == nil { _ = try answer.draw(logits) }
            } read: {
                report(.tokens($0, of: input.count))
            }
        } catch {
            // Some of the prompt may have been read. Forget it.
            truncate(to: common)
            throw error
        }
        cached = prompt.positions
        contentNumber = number
        return (common, timings)
    }

    /// Reads the last token and a draft of those that may follow. Draws the next token, and further ones as long as
    /// they match the draft.
    private func decodeNext(_ generation: inout Generation) throws {
        contentNumber = nil
        let history = generation.answer.history
        let room = min(generation.answer.remaining - 1, cache.capacity - cache.count - 1)
        let quoted = generation.speculation?.draft(after: history, room: room) ?? []
        let guesses =
            quoted.isEmpty
            ? try generation.drafting?.guesses(after: generation.answer, room: room, cached) ?? [] : []
        let draft = quoted + guesses.map(\.token)
        let tokens = history.suffix(1) + draft
        var accepted = 0
        let start = MonotonicTime.now
        do {
            try model.llama.forward(.tokens(Array(tokens)), cache: &cache, logits: .from(0)) { position, logits in
                guard generation.answer.reason == nil, position == accepted else { return }
                let guess = guesses.indices.contains(position) ? guesses[position] : nil
                let token = try generation.answer.draw(logits, guess: guess)
                if position < draft.count, token == draft[position] { accepted += 1 }
            }
        } catch {
            truncate(to: cached.count)
            throw error
        }
        generation.speculation?.record(drafted: quoted.count, accepted: quoted.isEmpty ? 0 : accepted)
        generation.drafting?.pace.recordPass(
            rows: tokens.count, MonotonicTime.now - start, guesses: guesses, accepted: guesses.isEmpty ? 0 : accepted)
        cached += tokens.prefix(1 + accepted).map { .token($0) }
        truncate(to: cached.count)
        contentNumber = generation.number
    }

    /// Forgets the text that was read.
    func forget() { truncate(to: 0) }

    private func truncate(to count: Int) {
        cache.truncate(to: count)
        cached.removeLast(cached.count - count)
    }
}
