import Architectures
import Compute
import LanguageModel
import Tensors
import Tokenization
import Vision

/// Answers requests one at a time. The prefix that a prompt shares with the text before it is not computed again.
public final class Generator {
    /// The model.
    public let model: LoadedModel
    /// The maximum number of positions for prompt and answer together.
    public var contextLength: Int { cache.capacity }
    /// Called before each step of prefill.
    public var onPrefill: (PrefillStep) -> Void = { _ in }
    var cache: KVCache
    /// The content of the cache.
    var cached: [ModelPrompt.Position] = []
    private let draft: DraftModel?

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
    public init(
        _ model: LoadedModel, contextLength: Int? = nil, storage: KVCache.Storage? = nil, draft: DraftFile? = nil
    ) throws {
        self.model = model
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        let capacity = contextLength ?? plan?.contextLength ?? configuration.maximumPositions
        cache = try KVCache(
            for: configuration, storage: storage ?? plan?.cacheStorage ?? .f16, capacity: capacity)
        self.draft = try draft.map { try DraftModel($0, for: model, contextLength: capacity) }
    }

    /// Answers a conversation, which may be about an image. The answer ends where the template ends a turn. A further
    /// request about the same image does not encode it again.
    ///
    /// - Throws: What `LoadedModel.prompt(of:image:room:)` and `generate` throw.
    public func answer(
        _ messages: [ChatMessage], image: PreparedImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        let prompt = try model.prompt(of: messages, image: image, room: room(for: options))
        let turn = try model.prompts.turn(options)
        return try generate(prompt, turn.options, ends: turn.ends, emit)
    }

    /// Continues a text without a chat template. `<image>` in the text stands for the image. The answer keeps the space
    /// in front of its first word, so text + answer is the decoded text of all tokens.
    ///
    /// - Throws: What `LoadedModel.prompt(ofRaw:image:room:)` and `generate` throw.
    public func complete(
        _ text: String, image: PreparedImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try generate(
            model.prompt(ofRaw: text, image: image, room: room(for: options)), options, ends: model.endTokens,
            continuesText: true, emit)
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
        let clock = ContinuousClock()
        let start = clock.now
        var answer = try Answer(
            to: prompt, options, ends: ends, continuesText: continuesText, model.tokenizer)
        var speculation = options.speculation.map { Speculation(limit: $0) }
        var drafting = try draft.map { try Drafting($0, options.sampling) }
        let window =
            options.overflow == .slide
            ? try ContextWindow(capacity: contextLength, fixedCount: prompt.fixedCount) : nil
        var dropped = window?.droppedCount(of: prompt.tokens.count) ?? 0
        try prompt.checkDropping(dropped)
        let kept = prompt.dropping(dropped)
        let read = try readPrompt(kept, &answer, report: onPrefill)
        let prefillEnd = clock.now
        let streamed = model.llama.streamStatistics
        try answer.flush(emit)

        while answer.reason == nil {
            if cache.count < cache.capacity {
                try decode(&answer, &speculation, &drafting)
            } else if let window {
                // The remaining text is read from scratch, including the token drawn last.
                dropped = window.droppedCount(of: answer.history.count)
                _ = try readPrompt(prompt.appending(answer.tokens).dropping(dropped), &answer)
            } else {
                answer.end(.context)
            }
            try answer.flush(emit)
        }
        return GenerationResult(
            text: answer.text, tokens: Array(answer.tokens), promptTokenCount: prompt.tokens.count,
            reusedTokenCount: read.reused, prefilledTokenCount: kept.tokens.count - read.reused,
            regions: prompt.regions, cutTokenCount: prompt.cutTokenCount,
            droppedTokenCount: dropped,
            draftedTokenCount: (speculation?.draftedCount ?? 0) + (drafting?.pace.guessedCount ?? 0),
            acceptedTokenCount: (speculation?.acceptedCount ?? 0) + (drafting?.pace.acceptedCount ?? 0),
            draftTime: drafting?.pace.time ?? .zero, stopReason: answer.reason ?? .length,
            visionTimings: read.vision, prefillTime: prefillEnd - start - read.vision.total,
            decodeTime: clock.now - prefillEnd, decodedTokenCount: max(answer.tokens.count - 1, 0),
            decodeStream: model.llama.streamStatistics - streamed)
    }

    /// Reads the rest of a prompt that the cache does not hold, and draws the token that follows.
    ///
    /// - Parameter report: Called before each step.
    private func readPrompt(
        _ prompt: ModelPrompt, _ answer: inout Answer, report: (PrefillStep) -> Void = { _ in }
    ) throws -> (reused: Int, vision: VisionTimings) {
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
        return (common, timings)
    }

    /// Reads the last token and a draft of those that may follow. Draws the next token, and further ones as long as
    /// they match the draft.
    private func decode(
        _ answer: inout Answer, _ speculation: inout Speculation?, _ drafting: inout Drafting?
    ) throws {
        let room = min(answer.remaining - 1, cache.capacity - cache.count - 1)
        let quoted = speculation?.draft(after: answer.history, room: room) ?? []
        let guesses =
            quoted.isEmpty ? try drafting?.guesses(after: answer, room: room, cached) ?? [] : []
        let draft = quoted + guesses.map(\.token)
        let tokens = answer.history.suffix(1) + draft
        var accepted = 0
        let clock = ContinuousClock()
        let start = clock.now
        do {
            try model.llama.forward(.tokens(Array(tokens)), cache: &cache, logits: .from(0)) { position, logits in
                guard answer.reason == nil, position == accepted else { return }
                let guess = guesses.indices.contains(position) ? guesses[position] : nil
                let token = try answer.draw(logits, guess: guess)
                if position < draft.count, token == draft[position] { accepted += 1 }
            }
        } catch {
            truncate(to: cached.count)
            throw error
        }
        speculation?.record(drafted: quoted.count, accepted: quoted.isEmpty ? 0 : accepted)
        drafting?.pace.recordPass(
            rows: tokens.count, clock.now - start, guesses: guesses, accepted: guesses.isEmpty ? 0 : accepted)
        cached += tokens.prefix(1 + accepted).map { .token($0) }
        truncate(to: cached.count)
    }

    /// Forgets the text that was read.
    func forget() { truncate(to: 0) }

    private func truncate(to count: Int) {
        cache.truncate(to: count)
        cached.removeLast(cached.count - count)
    }
}
