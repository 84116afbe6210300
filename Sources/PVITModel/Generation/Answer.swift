import LanguageModel
import Tensors
import Tokenization

/// An answer in the making: which tokens were drawn, and whether it has ended. How they came about is its owner's
/// business.
struct Answer {
    /// What is answered.
    let prompt: ModelPrompt
    /// The tokens of the prompt and those that were drawn.
    private(set) var history: [TokenID]
    /// Why the answer has ended, if it has.
    private(set) var reason: StopReason?
    /// What was given out of the answer.
    var text: String { stream.text }
    /// The tokens that were drawn.
    var tokens: ArraySlice<TokenID> { history[prompt.tokens.count...] }
    /// How many more may be drawn.
    var remaining: Int { limit - tokens.count }

    private var sampler: Sampler
    private var stream: AnswerStream
    private let limit: Int

    /// - Parameters:
    ///   - ends: The tokens that end the answer.
    ///   - continuesText: Whether the answer goes on with the text of the prompt, so that both together are what all
    ///     tokens together spell; otherwise it is a text of its own, which begins without the space that a word begins
    ///     with.
    /// - Throws: `sampling.option`.
    init(
        to prompt: ModelPrompt, _ options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        _ tokenizer: Tokenizer
    ) throws {
        self.prompt = prompt
        history = prompt.tokens
        sampler = try Sampler(options.sampling)
        stream = AnswerStream(
            tokenizer, ends: ends, stops: options.stops, context: continuesText ? prompt.tokens : [])
        limit = max(options.maximumTokens ?? .max, 0)
        if limit == 0 { reason = .length }
    }

    /// Draws the next token, while the answer has not ended.
    ///
    /// - Throws: `model.not-finite`.
    mutating func draw(_ logits: Span<Float>) throws -> TokenID {
        let token = try sampler.next(logits: logits, history: history)
        history.append(token)
        reason = stream.append(token) ?? (remaining == 0 ? .length : nil)
        return token
    }

    /// Ends the answer for a reason that is not in its tokens.
    mutating func end(_ reason: StopReason) { self.reason = reason }

    /// Gives out what has become certain of the text, all of it once the answer has ended.
    mutating func flush(_ emit: (String) throws -> Void) throws {
        if reason == nil { try stream.flush(emit) } else { try stream.finish(emit) }
    }
}
