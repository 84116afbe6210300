import LanguageModel
import Tensors
import Tokenization

/// Continues texts with a model, one after the other. What two consecutive prompts begin with in common is computed once.
public final class Generator {
    /// The model.
    public let model: LoadedModel
    /// The most positions that prompt and answer take together.
    public var contextLength: Int { cache.capacity }
    private var cache: KVCache
    /// What the cache holds.
    private var cached: [TokenID] = []

    /// Makes room for a context.
    ///
    /// - Parameters:
    ///   - contextLength: The most positions; nil for as many as the model was trained for.
    ///   - storage: How keys and values are stored.
    /// - Throws: `model.cache` when that context is not possible.
    public init(_ model: LoadedModel, contextLength: Int? = nil, storage: KVCache.Storage = .f16) throws {
        self.model = model
        let configuration = model.llama.configuration
        cache = try KVCache(
            for: configuration, storage: storage, capacity: contextLength ?? configuration.maximumPositions)
    }

    /// The tokens of a text as it is, special tokens recognised, with the token that begins texts if the model has one.
    public func tokens(ofRaw text: String) -> [TokenID] {
        model.tokenizer.encode(text, addBeginning: true, recogniseSpecial: true)
    }

    /// The tokens of a conversation in the model's own template.
    ///
    /// - Throws: `chat.template` when the model has no known template.
    public func tokens(of messages: [ChatMessage]) throws -> [TokenID] {
        model.tokenizer.encode(try model.chatTemplate.render(messages), addBeginning: false, recogniseSpecial: true)
    }

    /// Answers a conversation: `generate` with its tokens, ending where the template ends a turn.
    public func answer(
        _ messages: [ChatMessage], _ options: GenerationOptions = GenerationOptions(),
        emit: (String) throws -> Void = { _ in }
    ) throws -> GenerationResult {
        let prompt = try tokens(of: messages)
        let stops = try model.chatTemplate.stopTexts
        var options = options
        options.stops += stops
        let turnEnds = stops.compactMap { model.tokenizer.id(ofAddedToken: $0) }
        return try generate(prompt, options, ends: model.endTokens.union(turnEnds), emit)
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
        try generate(prompt, options, ends: model.endTokens, emit)
    }

    private func generate(
        _ prompt: [TokenID], _ options: GenerationOptions, ends: Set<TokenID>, _ emit: (String) throws -> Void
    ) throws -> GenerationResult {
        let clock = ContinuousClock()
        let start = clock.now
        var sampler = try Sampler(options.sampling)
        var history = prompt
        let limit = max(options.maximumTokens ?? .max, 0)
        let reused = try readPrompt(prompt, history, &sampler, drawing: limit > 0)
        let prefillEnd = clock.now

        var answer = AnswerStream(model.tokenizer, ends: ends, stops: options.stops)
        var next = reused.next
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
            text: answer.text, tokens: Array(history[prompt.count...]), promptTokenCount: prompt.count,
            reusedTokenCount: reused.count, stopReason: reason, prefillTime: prefillEnd - start,
            decodeTime: clock.now - prefillEnd, decodedTokenCount: max(made - 1, 0))
    }

    /// Reads what the cache does not hold of the prompt, and draws the first token.
    private func readPrompt(
        _ prompt: [TokenID], _ history: [TokenID], _ sampler: inout Sampler, drawing: Bool
    ) throws -> (count: Int, next: TokenID?) {
        // The last token is always read: its logits are needed.
        let common = zip(cached, prompt.dropLast()).prefix { $0 == $1 }.count
        truncate(to: common)
        let rest = Array(prompt[common...])
        var next: TokenID?
        do {
            try model.llama.forward(.tokens(rest), cache: &cache) { _, logits in
                if drawing { next = try sampler.next(logits: logits, history: history) }
            }
        } catch {
            // Parts of the prompt may have been read: they are not counted on.
            truncate(to: common)
            throw error
        }
        cached = prompt
        return (common, next)
    }

    private func decode(_ token: TokenID, _ history: [TokenID], _ sampler: inout Sampler) throws -> TokenID? {
        var next: TokenID?
        try model.llama.forward(.tokens([token]), cache: &cache) { _, logits in
            next = try sampler.next(logits: logits, history: history)
        }
        cached.append(token)
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
