import LanguageModel
import Tensors
import Tokenization
import Vision

/// Continues texts with a model, one after the other. What two consecutive prompts begin with in common is computed once.
public final class Generator {
    /// The model.
    public let model: LoadedModel
    /// The most positions that prompt and answer take together.
    public var contextLength: Int { cache.capacity }
    private var cache: KVCache
    /// What the cache holds.
    private var cached: [ModelPrompt.Position] = []

    /// Makes room for a context.
    ///
    /// - Parameters:
    ///   - contextLength: The most positions; nil for as many as the model's memory plan says, or the model was trained for.
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
        model.tokenizer.encode(text, addBeginning: true, recogniseSpecial: true)
    }

    /// The tokens of a conversation in the model's own template.
    ///
    /// - Throws: `chat.template` when the model has no known template.
    public func tokens(of messages: [ChatMessage]) throws -> [TokenID] { try model.prompt(of: messages).tokens }

    /// Answers a conversation, which may be about an image: `generate` with its prompt, ending where the template ends a
    /// turn. A second question about the same image does not encode it again.
    ///
    /// - Throws: What `LoadedModel.prompt(of:image:room:)` and `generate` throw.
    public func answer(
        _ messages: [ChatMessage], image: PixelImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        let prompt = try model.prompt(of: messages, image: image, room: room(for: options))
        let stops = try model.chatTemplate.stopTexts
        var options = options
        options.stops += stops
        let turnEnds = stops.compactMap { model.tokenizer.id(ofAddedToken: $0) }
        return try generate(prompt, options, ends: model.endTokens.union(turnEnds), emit)
    }

    /// Continues a text as it is, in which `<image>` shows the image.
    ///
    /// - Throws: What `LoadedModel.prompt(ofRaw:image:room:)` and `generate` throw.
    public func complete(
        _ text: String, image: PixelImage? = nil, _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try generate(
            model.prompt(ofRaw: text, image: image, room: room(for: options)), options, ends: model.endTokens, emit)
    }

    /// Continues `prompt`.
    ///
    /// - Parameters:
    ///   - prompt: At least one token.
    ///   - emit: Gets the answer in parts, each of whole characters; what it throws ends the answer.
    /// - Throws: `model.context-full` when the prompt leaves no room, and errors of model and sampler.
    public func generate(
        _ prompt: [TokenID], _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        try generate(ModelPrompt(prompt), options, ends: model.endTokens, emit)
    }

    /// PVIT's worker makes 256 tokens unless it is asked for another number, and 1024 at most.
    private func room(for options: GenerationOptions) -> PromptRoom {
        PromptRoom(contextLength: contextLength, answerCount: min(max(options.maximumTokens ?? 256, 0), 1024))
    }

    private func generate(
        _ prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, _ emit: (String) throws -> Void
    ) throws -> GenerationResult {
        let clock = ContinuousClock()
        let start = clock.now
        var sampler = try Sampler(options.sampling)
        var history = prompt.tokens
        let limit = max(options.maximumTokens ?? .max, 0)
        let read = try readPrompt(prompt, history, &sampler, drawing: limit > 0)
        let prefillEnd = clock.now
        let streamed = model.llama.streamStatistics

        var answer = AnswerStream(model.tokenizer, ends: ends, stops: options.stops)
        var next = read.next
        var made = 0
        var reason = StopReason.length
        while let token = next {
            made += 1
            history.append(token)
            if let end = try answer.append(token, emit) {
                reason = end
                break
            }
            guard made < limit else { break }
            guard cache.count < cache.capacity else {
                reason = .context
                break
            }
            next = try decode(token, history, &sampler)
        }
        try answer.finish(emit)
        return GenerationResult(
            text: answer.text, tokens: Array(history[prompt.tokens.count...]), promptTokenCount: prompt.tokens.count,
            reusedTokenCount: read.reused, regions: prompt.regions, cutTokenCount: prompt.cutTokenCount,
            stopReason: reason,
            visionTimings: read.vision, prefillTime: prefillEnd - start - read.vision.total,
            decodeTime: clock.now - prefillEnd, decodedTokenCount: max(made - 1, 0),
            decodeStream: model.llama.streamStatistics - streamed)
    }

    /// Reads what the cache does not hold of the prompt, and draws the first token.
    private func readPrompt(
        _ prompt: ModelPrompt, _ history: [TokenID], _ sampler: inout Sampler, drawing: Bool
    ) throws -> (reused: Int, vision: VisionTimings, next: TokenID?) {
        // The last token is always read: its logits are needed.
        let common = zip(cached, prompt.positions.dropLast()).prefix { $0 == $1 }.count
        truncate(to: common)
        try cache.checkRoom(for: prompt.tokens.count - common)
        var next: TokenID?
        let (input, timings) = try model.input(for: prompt, from: common)
        do {
            try model.llama.forward(input, cache: &cache) { _, logits in
                if drawing { next = try sampler.next(logits: logits, history: history) }
            }
        } catch {
            // Parts of the prompt may have been read: they are not counted on.
            truncate(to: common)
            throw error
        }
        cached = prompt.positions
        return (common, timings, next)
    }

    private func decode(_ token: TokenID, _ history: [TokenID], _ sampler: inout Sampler) throws -> TokenID? {
        var next: TokenID?
        try model.llama.forward(.tokens([token]), cache: &cache) { _, logits in
            next = try sampler.next(logits: logits, history: history)
        }
        cached.append(.token(token))
        return next
    }

    private func truncate(to count: Int) {
        cache.truncate(to: count)
        cached.removeLast(cached.count - count)
    }
}

/// The text of an answer while its tokens come.
private struct AnswerStream {
    private(set) var text = ""
    private var decoder: StreamDecoder
    private var matcher: StopMatcher
    private let ends: Set<TokenID>
    private let stops: Set<TokenID>

    init(_ tokenizer: Tokenizer, ends: Set<TokenID>, stops: [String]) {
        decoder = tokenizer.makeStreamDecoder(skipSpecial: true)
        matcher = StopMatcher(stops)
        self.ends = ends
        // A stop text that is a special token is never seen as text.
        self.stops = Set(stops.compactMap { tokenizer.id(ofAddedToken: $0) })
    }

    /// Takes a token; tells why the answer ends with it, if it does.
    mutating func append(_ token: TokenID, _ emit: (String) throws -> Void) throws -> StopReason? {
        if ends.contains(token) { return .endOfText }
        if stops.contains(token) { return .stop }
        try give(matcher.append(decoder.append(token)), emit)
        return matcher.hasStopped ? .stop : nil
    }

    mutating func finish(_ emit: (String) throws -> Void) throws {
        try give(matcher.append(decoder.finish()), emit)
        try give(matcher.finish(), emit)
    }

    private mutating func give(_ part: String, _ emit: (String) throws -> Void) throws {
        guard !part.isEmpty else { return }
        text += part
        try emit(part)
    }
}
