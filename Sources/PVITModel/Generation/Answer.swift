import LanguageModel
import Tensors
import Tokenization

/// An answer while it is generated: the tokens drawn so far, and whether it has ended. The owner runs the model.
struct Answer {
    /// The prompt.
    let prompt: ModelPrompt
    /// The tokens of the prompt, followed by the tokens drawn.
    private(set) var history: [TokenID]
    /// Why the answer has ended, if it has.
    private(set) var reason: StopReason?
    /// The text emitted so far.
    var text: String { stream.text }
    /// The tokens drawn.
    var tokens: ArraySlice<TokenID> { history[prompt.tokens.count...] }
    /// The number of tokens that may still be drawn.
    var remaining: Int { limit - tokens.count }

    private var sampler: Sampler
    private var constraint: (any AnswerConstraint)?
    private let logprobCount: Int?
    /// The log probabilities of the tokens whose text has not been taken yet.
    private var logprobs: [TokenLogprobs] = []
    private var stream: AnswerStream
    private let limit: Int

    /// - Parameters:
    ///   - ends: The tokens that end the answer.
    ///   - continuesText: Whether the answer continues the text of the prompt. If so, its first word keeps the space in
    ///     front; otherwise the answer is a text of its own and the space is dropped.
    ///   - constraint: The rule that the answer follows; nil for none.
    /// - Throws: `sampling.option`.
    init(
        to prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        constraint: (any AnswerConstraint)? = nil, _ tokenizer: Tokenizer
    ) throws {
        self.constraint = constraint
        logprobCount = options.logprobCount
        self.prompt = prompt
        history = prompt.tokens
        sampler = try Sampler(options.sampling)
        stream = AnswerStream(
            tokenizer, ends: ends, stops: options.stops, context: continuesText ? prompt.tokens : [])
        limit = max(options.maximumTokens ?? .max, 0)
        if limit == 0 { reason = .length }
    }

    /// Draws the next token, or ends the answer if its constraint allows none. The answer must not have ended.
    ///
    /// - Parameter guess: A token that a draft model has drawn in its place.
    /// - Returns: The token; nil if there is none.
    /// - Throws: `model.not-finite`.
    mutating func draw(_ logits: Span<Float>, guess: GuessedToken? = nil) throws -> TokenID? {
        var allows: ((TokenID) -> Bool)?
        if constraint != nil {
            guard let allowed = constraint?.allowed() else {
                reason = .stop
                return nil
            }
            allows = allowed
        }
        let token: TokenID
        if let guess, allows == nil {
            token = try sampler.next(
                logits: logits, history: history, promptCount: prompt.tokens.count, guess: guess.token,
                from: guess.distribution)
        } else {
            token = try sampler.next(
                logits: logits, history: history, promptCount: prompt.tokens.count, allows: allows)
        }
        history.append(token)
        constraint?.accept(token)
        reason = stream.append(token) ?? (remaining == 0 ? .length : nil)
        if let logprobCount, reason != .eos {
            logprobs.append(TokenLogprobs(of: token, logits, topCount: logprobCount))
        }
        return token
    }

    /// Returns the log probabilities of the tokens drawn since the last call.
    mutating func takeLogprobs() -> [TokenLogprobs] {
        defer { logprobs = [] }
        return logprobs
    }

    /// Ends the answer for a reason other than its tokens.
    mutating func end(_ reason: StopReason) { self.reason = reason }

    /// Emits the text that is final: all of it if the answer has ended, otherwise without what may still become a stop
    /// text or a whole character.
    mutating func flush(_ emit: (String) throws -> Void) throws {
        if reason == nil { try stream.flush(emit) } else { try stream.finish(emit) }
    }
}
