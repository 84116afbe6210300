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
