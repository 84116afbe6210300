import Architectures
import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

/// A question to a pool, which may be about an image.
public struct PoolQuestion {
    /// What the answer is told apart by.
    public let number: Int
    /// The conversation.
    public let messages: [ChatMessage]
    /// What it is about.
    public let image: PreparedImage?
    /// How it is answered. Answers end where the context is full, and nothing is guessed.
    public let options: GenerationOptions

    /// Creates a question.
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
    /// The tokens that were made, the one that ended the answer included.
    public let tokens: [TokenID]
    /// How many tokens the model was given.
    public let promptTokenCount: Int
    /// How many of them it had read for another question.
    public let reusedTokenCount: Int
    /// Why the answer ended.
    public let stopReason: StopReason
}

/// Answers many questions, several at a time: every pass over the weights reads a token of each answer, and the prompts
/// of those that are new. An answer that ends makes room for the next question. Answers are those that `Generator`
/// gives.
public final class AnswerPool {
    /// The model.
    public let model: LoadedModel
    /// The most positions that a prompt and its answer take together.
    public let contextLength: Int
    private var seats: [Seat]

    /// Makes room for questions.
    ///
    /// - Parameters:
    ///   - count: How many are answered at a time, at least 1.
    ///   - contextLength: The most positions of each; nil for as many as the model's memory plan says, or the model was
    ///     trained for.
    ///   - storage: How keys and values are stored; nil for what the memory plan says, or `f16`.
    /// - Throws: `model.cache` when such contexts are not possible.
    public init(
        _ model: LoadedModel, count: Int, contextLength: Int? = nil, storage: KVCache.Storage? = nil
    ) throws {
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        let capacity = contextLength ?? plan?.contextLength ?? configuration.maximumPositions
        let storage = storage ?? plan?.cacheStorage ?? .f16
        self.model = model
        self.contextLength = capacity
        seats = try (0..<max(count, 1)).map { _ in
            Seat(LlamaSequence(try KVCache(for: configuration, storage: storage, capacity: capacity)))
        }
    }

    /// Answers questions.
    ///
    /// - Parameters:
    ///   - next: Gives the next question whenever there is room for one; nil when there are no more.
    ///   - eachPass: Called before each pass over the weights; what it throws ends everything.
    ///   - finish: Gets the number of a question and its answer, or why it has none. Answers come in the order in which
    ///     they end.
    /// - Throws: What `next`, `eachPass` and `finish` throw, and errors of the model.
    public func answer(
        next: () throws -> PoolQuestion?, eachPass: () throws -> Void = {},
        finish: (_ number: Int, Result<PoolAnswer, any Error>) throws -> Void
    ) throws {
        defer { for index in seats.indices { seats[index].abandon() } }
        var waiting: [Entrant] = []
        var areMore = true
        while true {
            while areMore, waiting.count < seats.count(where: \.isFree) {
                guard let question = try next() else {
                    areMore = false
                    break
                }
                switch Result(catching: { try entrant(question) }) {
                case .success(let entrant): waiting.append(entrant)
                case .failure(let error): try finish(question.number, .failure(error))
                }
            }
            waiting = try seat(waiting)
            let batch = try inputs(finish)
            guard !batch.isEmpty || !waiting.isEmpty else { return }
            try eachPass()
            try model.llama.forward(batch.map { SequenceInput(seats[$0.seat].sequence, $0.input) }) {
                try seats[batch[$0].seat].draw($2)
            }
            for (seat, _) in batch {
                seats[seat].confirm()
                guard let (number, answer) = try seats[seat].leave() else { continue }
                try finish(number, .success(answer))
            }
        }
    }

    /// What each question needs to draw its next token. Questions whose image or regions cannot be seen are given up.
    private func inputs(
        _ finish: (_ number: Int, Result<PoolAnswer, any Error>) throws -> Void
    ) throws -> [(seat: Int, input: LlamaInput)] {
        var result: [(seat: Int, input: LlamaInput)] = []
        for index in seats.indices {
            guard let number = seats[index].number else { continue }
            switch Result(catching: { try seats[index].input(model) }) {
            case .success(let input): result.append((index, input))
            case .failure(let error):
                seats[index].abandon()
                try finish(number, .failure(error))
            }
        }
        return result
    }

    private func entrant(_ question: PoolQuestion) throws -> Entrant {
        let room = PromptRoom(contextLength: contextLength, question.options)
        let prompt = try model.prompt(of: question.messages, image: question.image, room: room)
        guard prompt.tokens.count <= contextLength else {
            throw PVITError.contextFull(
                prompt.tokens.count, capacity: contextLength, modelLength: model.llama.configuration.maximumPositions)
        }
        let turn = try model.turn(question.options)
        return Entrant(
            number: question.number, answer: try Answer(to: prompt, turn.options, ends: turn.ends, model.tokenizer))
    }

    /// Gives seats to those who wait, with what others have read of their prompts already. Who could have more from one
    /// who is just being seated waits for the next pass; returns those.
    private func seat(_ waiting: [Entrant]) throws -> [Entrant] {
        var left: [Entrant] = []
        var seated: [ModelPrompt] = []
        for entrant in waiting {
            let prompt = entrant.answer.prompt
            let known = seats.map { $0.common(with: prompt) }
            let best = known.indices.max { known[$0] < known[$1] } ?? 0
            guard
                !seated.contains(where: { $0.commonCount(prompt) > known[best] }),
                let free = seats.indices.filter({ seats[$0].isFree }).max(by: { known[$0] < known[$1] })
            else {
                left.append(entrant)
                continue
            }
            let source = seats[best]
            if known[best] > known[free] { try seats[free].copy(known[best], of: source) }
            seats[free].take(entrant, known: max(known[best], known[free]))
            seated.append(prompt)
        }
        return left
    }
}

/// A question that waits for its turn.
private struct Entrant {
    let number: Int
    var answer: Answer
}

/// Where a question is answered: a sequence of the model, which outlives its questions.
private struct Seat {
    let sequence: LlamaSequence
    var isFree: Bool { occupant == nil }
    /// The number of the question that is answered here.
    var number: Int? { occupant?.number }
    private var occupant: Entrant?
    /// What the sequence's cache holds, and how much of that was there when the question came.
    private var cached: [ModelPrompt.Position] = []
    private var reused = 0

    init(_ sequence: LlamaSequence) { self.sequence = sequence }

    /// How much of a prompt the cache holds. The last token is always read: its logits are needed.
    func common(with prompt: ModelPrompt) -> Int {
        zip(cached, prompt.positions.dropLast()).prefix { $0 == $1 }.count
    }

    /// Takes over the beginning of another seat's cache.
    mutating func copy(_ count: Int, of other: Seat) throws {
        try sequence.cache.copyPrefix(count, of: other.sequence.cache)
        cached = Array(other.cached.prefix(count))
    }

    /// Lets a question in whose first `known` positions the cache holds.
    mutating func take(_ entrant: Entrant, known: Int) {
        truncate(to: known)
        reused = known
        occupant = entrant
    }

    /// What is to be read: the rest of the prompt, or the token that was drawn last.
    func input(_ model: LoadedModel) throws -> LlamaInput {
        guard let answer = occupant?.answer else { return .tokens([]) }
        if cached.count < answer.prompt.positions.count {
            return try model.input(for: answer.prompt, from: cached.count).input
        }
        return .tokens(Array(answer.history.suffix(1)))
    }

    /// Draws the next token.
    mutating func draw(_ logits: Span<Float>) throws {
        if occupant?.answer.reason == nil { _ = try occupant?.answer.draw(logits) }
    }

    /// Counts on what was read. The token that was drawn then has not been.
    mutating func confirm() {
        guard let answer = occupant?.answer else { return }
        if cached.count < answer.prompt.positions.count {
            cached = answer.prompt.positions
        } else {
            cached += answer.history.suffix(2).dropLast().map { .token($0) }
        }
    }

    /// Gives up the question, if there is one: what was read of it and not confirmed is not counted on.
    mutating func abandon() {
        occupant = nil
        truncate(to: cached.count)
    }

    /// Frees the seat when the answer has ended.
    mutating func leave() throws -> (number: Int, answer: PoolAnswer)? {
        guard var entrant = occupant else { return nil }
        if entrant.answer.reason == nil, sequence.cache.count == sequence.cache.capacity {
            entrant.answer.end(.context)
        }
        guard let reason = entrant.answer.reason else { return nil }
        try entrant.answer.flush { _ in }
        occupant = nil
        let answer = entrant.answer
        return (
            entrant.number,
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
    /// How many positions two prompts begin with in common.
    fileprivate func commonCount(_ other: ModelPrompt) -> Int {
        zip(positions, other.positions).prefix { $0 == $1 }.count
    }
}
