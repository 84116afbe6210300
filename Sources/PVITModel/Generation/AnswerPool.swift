import Architectures
import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

/// A conversation for an `AnswerPool` to answer, which may be about an image.
public struct PoolRequest {
    /// Identifies the request in the results.
    public let number: Int
    /// The conversation.
    public let messages: [ChatMessage]
    /// The image that the conversation is about.
    public let image: PreparedImage?
    /// How to answer. A pool ignores `overflow` and `speculation`: an answer ends when the context is full.
    public let options: GenerationOptions

    /// Creates a request.
    public init(
        number: Int, messages: [ChatMessage], image: PreparedImage? = nil,
        options: GenerationOptions = GenerationOptions()
    ) {
        self.number = number
        self.messages = messages
        self.image = image
        self.options = options
    }
}

/// An answer of a pool.
public struct PoolAnswer: Sendable {
    /// The text.
    public let text: String
    /// The generated tokens, including the one that ended the answer.
    public let tokens: [TokenID]
    /// The number of tokens in the prompt.
    public let promptTokenCount: Int
    /// The number of prompt tokens that were taken over from another request.
    public let reusedTokenCount: Int
    /// Why the answer ended.
    public let stopReason: StopReason
}

/// Answers many requests in a batch of slots.
///
/// Each pass through the layers reads one token of every running answer and the prompts of new requests. When an answer
/// ends, its slot takes the next request. The answers are the same as `Generator`'s.
public final class AnswerPool {
    /// The model.
    public let model: LoadedModel
    /// The maximum number of positions for a prompt and its answer together.
    public let contextLength: Int
    private var slots: [Slot]

    /// Creates a pool and allocates its slots.
    ///
    /// - Parameters:
    ///   - count: The number of slots, at least 1.
    ///   - contextLength: The maximum number of positions in a slot. nil takes the memory plan's, or the length that
    ///     the model was trained for.
    ///   - storage: The type of keys and values. nil takes the memory plan's, or `f16`.
    /// - Throws: `model.cache` if contexts of that length are not possible.
    public init(
        _ model: LoadedModel, count: Int, contextLength: Int? = nil, storage: KVCache.Storage? = nil
    ) throws {
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        let capacity = contextLength ?? plan?.contextLength ?? configuration.maximumPositions
        let storage = storage ?? plan?.cacheStorage ?? .f16
        self.model = model
        self.contextLength = capacity
        slots = try (0..<max(count, 1)).map { _ in
            Slot(LlamaSequence(try KVCache(for: configuration, storage: storage, capacity: capacity)))
        }
    }

    /// Answers requests until there are no more.
    ///
    /// - Parameters:
    ///   - next: Returns the next request, or nil if there are no more. Called whenever a slot is free.
    ///   - eachPass: Called before each pass through the layers. If it throws, all answers are abandoned.
    ///   - finish: Receives the number of a request and its answer, or the error that prevented one. Answers arrive in
    ///     the order in which they end.
    /// - Throws: What `next`, `eachPass` and `finish` throw, and errors of the model.
    public func answer(
        next: () throws -> PoolRequest?, eachPass: () throws -> Void = {},
        finish: (_ number: Int, Result<PoolAnswer, any Error>) throws -> Void
    ) throws {
        defer { for index in slots.indices { slots[index].abandon() } }
        var waiting: [PendingRequest] = []
        var hasMore = true
        while true {
            while hasMore, waiting.count < slots.count(where: \.isFree) {
                guard let request = try next() else {
                    hasMore = false
                    break
                }
                switch Result(catching: { try prepare(request) }) {
                case .success(let prepared): waiting.append(prepared)
                case .failure(let error): try finish(request.number, .failure(error))
                }
            }
            waiting = try assign(waiting)
            let batch = try inputs(finish)
            guard !batch.isEmpty || !waiting.isEmpty else { return }
            try eachPass()
            try model.llama.forward(batch.map { SequenceInput(slots[$0.slot].sequence, $0.input) }) {
                try slots[batch[$0].slot].draw($2)
            }
            for (slot, _) in batch {
                slots[slot].confirm()
                guard let (number, answer) = try slots[slot].finish() else { continue }
                try finish(number, .success(answer))
            }
        }
    }

    /// The input that each running request needs to draw its next token. A request whose image or regions cannot be
    /// encoded fails.
    private func inputs(
        _ finish: (_ number: Int, Result<PoolAnswer, any Error>) throws -> Void
    ) throws -> [(slot: Int, input: LlamaInput)] {
        var result: [(slot: Int, input: LlamaInput)] = []
        for index in slots.indices {
            guard let number = slots[index].number else { continue }
            switch Result(catching: { try slots[index].input(model) }) {
            case .success(let input): result.append((index, input))
            case .failure(let error):
                slots[index].abandon()
                try finish(number, .failure(error))
            }
        }
        return result
    }

    private func prepare(_ request: PoolRequest) throws -> PendingRequest {
        let room = PromptRoom(contextLength: contextLength, request.options)
        let prompt = try model.prompt(of: request.messages, image: request.image, room: room)
        guard prompt.tokens.count <= contextLength else {
            throw PVITError.contextFull(
                prompt.tokens.count, capacity: contextLength, modelLength: model.llama.configuration.maximumPositions)
        }
        let turn = try model.turn(request.options)
        return PendingRequest(
            number: request.number, answer: try Answer(to: prompt, turn.options, ends: turn.ends, model.tokenizer))
    }

    /// Assigns waiting requests to free slots, and copies the prefix that another slot has already read.
    ///
    /// A request waits for the next pass if it shares a longer prefix with one that was assigned just now.
    ///
    /// - Returns: The requests that still wait.
    private func assign(_ waiting: [PendingRequest]) throws -> [PendingRequest] {
        var left: [PendingRequest] = []
        var assigned: [ModelPrompt] = []
        for request in waiting {
            let prompt = request.answer.prompt
            let known = slots.map { $0.commonCount(with: prompt) }
            let best = known.indices.max { known[$0] < known[$1] } ?? 0
            guard
                !assigned.contains(where: { $0.commonCount(with: prompt) > known[best] }),
                let free = slots.indices.filter({ slots[$0].isFree }).max(by: { known[$0] < known[$1] })
            else {
                left.append(request)
                continue
            }
            let source = slots[best]
            if known[best] > known[free] { try slots[free].copy(known[best], of: source) }
            slots[free].start(request, known: max(known[best], known[free]))
            assigned.append(prompt)
        }
        return left
    }
}

/// A request whose prompt has been tokenized, and the answer to it as far as it has come.
private struct PendingRequest {
    let number: Int
    var answer: Answer
}

/// A sequence of the model, which answers one request after another and keeps its cache between them.
private struct Slot {
    let sequence: LlamaSequence
    var isFree: Bool { request == nil }
    /// The number of the request that is being answered.
    var number: Int? { request?.number }
    private var request: PendingRequest?
    /// The content of the sequence's cache.
    private var cached: [ModelPrompt.Position] = []
    /// The number of positions that were in the cache when the request came.
    private var reused = 0

    init(_ sequence: LlamaSequence) { self.sequence = sequence }

    /// The number of positions of a prompt that the cache holds. The last token is always read again, because its
    /// logits are needed.
    func commonCount(with prompt: ModelPrompt) -> Int {
        zip(cached, prompt.positions.dropLast()).prefix { $0 == $1 }.count
    }

    /// Copies the first `count` positions of another slot's cache.
    mutating func copy(_ count: Int, of other: Slot) throws {
        try sequence.cache.copyPrefix(count, of: other.sequence.cache)
        cached = Array(other.cached.prefix(count))
    }

    /// Starts a request. The cache already holds its first `known` positions.
    mutating func start(_ request: PendingRequest, known: Int) {
        truncate(to: known)
        reused = known
        self.request = request
    }

    /// The input of the next pass: the rest of the prompt, or the last token drawn.
    func input(_ model: LoadedModel) throws -> LlamaInput {
        guard let answer = request?.answer else { return .tokens([]) }
        if cached.count < answer.prompt.positions.count {
            return try model.input(for: answer.prompt, from: cached.count).input
        }
        return .tokens(Array(answer.history.suffix(1)))
    }

    /// Draws the next token.
    mutating func draw(_ logits: Span<Float>) throws {
        if request?.answer.reason == nil { _ = try request?.answer.draw(logits) }
    }

    /// Records that the pass succeeded, so the cache holds its input. The token just drawn is not in it yet.
    mutating func confirm() {
        guard let answer = request?.answer else { return }
        if cached.count < answer.prompt.positions.count {
            cached = answer.prompt.positions
        } else {
            cached += answer.history.suffix(2).dropLast().map { .token($0) }
        }
    }

    /// Drops the request, if there is one, and the cached positions that were not confirmed.
    mutating func abandon() {
        request = nil
        truncate(to: cached.count)
    }

    /// Frees the slot if the answer has ended.
    mutating func finish() throws -> (number: Int, answer: PoolAnswer)? {
        guard var request else { return nil }
        if request.answer.reason == nil, sequence.cache.count == sequence.cache.capacity {
            request.answer.end(.context)
        }
        guard let reason = request.answer.reason else { return nil }
        try request.answer.flush { _ in }
        self.request = nil
        let answer = request.answer
        return (
            request.number,
            PoolAnswer(
                text: answer.text, tokens: Array(answer.tokens), promptTokenCount: answer.prompt.tokens.count,
                reusedTokenCount: reused, stopReason: reason)
        )
    }

    private mutating func truncate(to count: Int) {
        sequence.cache.truncate(to: count)
        cached.removeLast(cached.count - count)
    }
}

extension ModelPrompt {
    /// The number of positions at the start that two prompts have in common.
    fileprivate func commonCount(with other: ModelPrompt) -> Int {
        zip(positions, other.positions).prefix { $0 == $1 }.count
    }
}
