import LanguageModel
import Tensors

/// What happens to a request of a scheduler.
package enum AnswerEvent: Sendable {
    /// A step of prefill, before the first text.
    case prefill(PrefillStep)
    /// Text of the answer, in whole characters, and the log probabilities of the tokens that it consists of, if they
    /// were asked for.
    case text(String, [TokenLogprobs])
    /// The end of the answer, or the error that prevented it. No event follows. A cancelled request gets no event.
    case end(Result<PoolAnswer, any Error>)
}

/// A prompt for a scheduler, and how to answer it.
package struct ScheduledRequest {
    /// Identifies the request.
    package let id: Int
    let prompt: ModelPrompt
    let options: GenerationOptions
    let ends: Set<TokenID>
    let continuesText: Bool
    let constraint: (any AnswerConstraint)?
    let receive: (AnswerEvent) -> Void

    /// Creates a request.
    ///
    /// - Parameters:
    ///   - id: Identifies the request. No other request of the scheduler may have it.
    ///   - prompt: The prompt.
    ///   - options: How to answer. `overflow` and `speculation` are ignored: an answer ends when the context is full.
    ///   - ends: The tokens that end the answer.
    ///   - continuesText: Whether the answer continues the text of the prompt (see `Answer`).
    ///   - constraint: The rule that the answer follows; nil for none.
    ///   - receive: Receives events, on the thread that calls the scheduler.
    package init(
        id: Int, prompt: ModelPrompt, options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        constraint: (any AnswerConstraint)? = nil, receive: @escaping (AnswerEvent) -> Void
    ) {
        self.id = id
        self.prompt = prompt
        self.options = options
        self.ends = ends
        self.continuesText = continuesText
        self.constraint = constraint
        self.receive = receive
    }
}
