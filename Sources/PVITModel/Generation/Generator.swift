import Architectures
import Compute
import LanguageModel
import Tensors
import Tokenization
import Vision

/// Continues texts with a model, one after the other. What two consecutive prompts begin with in common is computed
/// once.
public final class Generator {
    /// The model.
    public let model: LoadedModel
    /// The most positions that prompt and answer take together.
    public var contextLength: Int { cache.capacity }
    /// Told how far the reading of a prompt is, before each step of it.
    public var reading: (ReadingStep) -> Void = { _ in }
    private var cache: KVCache
    /// What the cache holds.
    private var cached: [ModelPrompt.Position] = []

    /// Makes room for a context.
    ///
    /// - Parameters:
    ///   - contextLength: The most positions; nil for as many as the model's memory plan says, or the model was trained
    ///     for.
    ///   - storage: How keys and values are stored; nil for what the memory plan says, or `f16`.
    /// - Throws: `model.cache` when that context is not possible.
    public init(_ model: LoadedModel, contextLength: Int? = nil, storage: KVCache.Storage? = nil) throws {
        self.model = model
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        cache = try KVCache(
            for: configuration, storage: storage ?? plan?.cacheStorage ?? .f16,
            capacity: contextLength ?? plan?.contextLength ?? configuration.maximumPositions)
    }

    /// The tokens of a text as it is, special tokens recognised, with the token that begins texts if the model has one.
    public func tokens(ofRaw text: String) -> [TokenID] {
        model.tokenizer.encode(prompt: text)
    }

    /// The tokens of a conversation in the model's own template.
    ///
    /// - Throws: `chat.template` when the model has no template.
    public func tokens(of messages: [ChatMessage]) throws -> [TokenID] { try model.prompt(of: messages).tokens }

    /// Answers a conversation, which may be about an image: `generate` with its prompt, ending where the template ends
    /// a turn. A second question about the same image does not encode it again.
    ///
    /// - Throws: What `LoadedModel.prompt(of:image:room:)` and `generate` throw.
    public func answer(
        _ messages: [ChatMessage], image: PreparedImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        let prompt = try model.prompt(of: messages, image: image, room: room(for: options))
        let turn = try model.turn(options)
        return try generate(prompt, turn.options, ends: turn.ends, emit)
    }

    /// Continues a text as it is, in which `<image>` shows the image: text and answer together are what their tokens
    /// spell together.
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

    /// Continues `prompt`, with an answer that is a text of its own.
    ///
    /// - Parameters:
    ///   - prompt: At least one token.
    ///   - emit: Gets the answer in parts, each of whole characters; what it throws ends the answer.
    /// - Throws: `model.context-full` when the prompt leaves no room, `model.token`, and errors of model and sampler.
    public func generate(
        _ prompt: [TokenID], _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try model.check(prompt)
        return try generate(
            ModelPrompt(prompt, fixedCount: model.beginningCount(of: prompt)), options, ends: model.endTokens, emit)
    }

    /// The room of a prompt.
    private func room(for options: GenerationOptions) -> PromptRoom {
        PromptRoom(contextLength: contextLength, options)
    }

    private func generate(
        _ prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        _ emit: (String) throws -> Void
    ) throws -> GenerationResult {
        let clock = ContinuousClock()
        let start = clock.now
        var answer = try Answer(
            to: prompt, options, ends: ends, continuesText: continuesText, model.tokenizer)
        var speculation = options.speculation.map { Speculation(limit: $0) }
        let window =
            options.overflow == .slide
            ? try ContextWindow(capacity: contextLength, fixedCount: prompt.fixedCount) : nil
        var dropped = window?.droppedCount(of: prompt.tokens.count) ?? 0
        try prompt.checkDropping(dropped)
        let kept = prompt.dropping(dropped)
        let read = try readPrompt(kept, &answer, tell: reading)
        let prefillEnd = clock.now
        let streamed = model.llama.streamStatistics
        try answer.flush(emit)

        while answer.reason == nil {
            if cache.count < cache.capacity {
                try decode(&answer, &speculation)
            } else if let window {
                // What stays is read as if nothing else had ever been there, the token that was drawn last included.
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
            droppedTokenCount: dropped, draftedTokenCount: speculation?.draftedCount ?? 0,
            acceptedTokenCount: speculation?.acceptedCount ?? 0, stopReason: answer.reason ?? .length,
            visionTimings: read.vision, prefillTime: prefillEnd - start - read.vision.total,
            decodeTime: clock.now - prefillEnd, decodedTokenCount: max(answer.tokens.count - 1, 0),
            decodeStream: model.llama.streamStatistics - streamed)
    }

    /// Reads what the cache does not hold of a text, and draws the token that follows it.
    ///
    /// - Parameter tell: Told how far it is; nobody is while an answer is being shown.
    private func readPrompt(
        _ prompt: ModelPrompt, _ answer: inout Answer, tell: (ReadingStep) -> Void = { _ in }
    ) throws -> (reused: Int, vision: VisionTimings) {
        // The last token is always read: its logits are needed.
        let common = zip(cached, prompt.positions.dropLast()).prefix { $0 == $1 }.count
        truncate(to: common)
        try cache.checkRoom(for: prompt.tokens.count - common)
        // An image may have to be encoded, in memory that keys and values do not need yet.
        if let plan = model.memoryPlan, plan.visionByteCount > 0 { cache.releaseUnfilled() }
        if prompt.showsImage(from: common) { tell(.image) }
        let (input, timings) = try model.input(for: prompt, from: common)
        tell(.tokens(0, of: input.count))
        do {
            try model.llama.forward(input, cache: &cache) { _, logits in
                if answer.reason == nil { _ = try answer.draw(logits) }
            } read: {
                tell(.tokens($0, of: input.count))
            }
        } catch {
            // Parts of the prompt may have been read: they are not counted on.
            truncate(to: common)
            throw error
        }
        cached = prompt.positions
        return (common, timings)
    }

    /// Reads the token that was drawn last, and on trial those that may follow it; draws the next one, and further ones
    /// for as long as they are those that were read.
    private func decode(_ answer: inout Answer, _ speculation: inout Speculation?) throws {
        let room = min(answer.remaining - 1, cache.capacity - cache.count - 1)
        let draft = speculation?.draft(after: answer.history, room: room) ?? []
        let tokens = answer.history.suffix(1) + draft
        var accepted = 0
        do {
            try model.llama.forward(.tokens(Array(tokens)), cache: &cache, logits: .from(0)) { position, logits in
                guard answer.reason == nil, position == accepted else { return }
                let token = try answer.draw(logits)
                if position < draft.count, token == draft[position] { accepted += 1 }
            }
        } catch {
            truncate(to: cached.count)
            throw error
        }
        speculation?.record(drafted: draft.count, accepted: accepted)
        cached += tokens.prefix(1 + accepted).map { .token($0) }
        truncate(to: cached.count)
    }

    private func truncate(to count: Int) {
        cache.truncate(to: count)
        cached.removeLast(cached.count - count)
    }
}
