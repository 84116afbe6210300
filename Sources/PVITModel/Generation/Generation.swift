import Compute
import LanguageModel
import Tensors

/// An answer between the steps of its generation. A `Generator` begins and advances it.
package struct Generation {
    /// What reading the prompt took.
    struct PromptReading {
        /// The number of tokens that were in the cache already.
        let reused: Int
        /// The number of tokens that were read.
        let prefilled: Int
        let vision: VisionTimings
        /// The time without that for the image.
        let time: Duration
        /// What streaming weights had cost when the prompt was read.
        let statistics: StreamStatistics
    }

    /// Tells the answers of a generator apart.
    let number: Int
    let prompt: ModelPrompt
    var answer: Answer
    var speculation: Speculation?
    var drafting: Drafting?
    /// What is kept of a text that is longer than the context; nil if the answer ends there.
    let window: ContextWindow?
    /// The number of positions that are dropped from the text.
    var dropped: Int
    /// nil until the prompt is read.
    var read: PromptReading?
    var decodeTime = Duration.zero
    var decodeStream = StreamStatistics()

    init(
        number: Int, prompt: ModelPrompt, answer: Answer, speculation: Speculation?, drafting: Drafting?,
        window: ContextWindow?, dropped: Int
    ) {
        self.number = number
        self.prompt = prompt
        self.answer = answer
        self.speculation = speculation
        self.drafting = drafting
        self.window = window
        self.dropped = dropped
    }

    /// Whether the answer has ended.
    package var isFinished: Bool { read != nil && answer.reason != nil }

    /// The answer so far, with statistics.
    package var result: GenerationResult {
        GenerationResult(
            text: answer.text, tokens: Array(answer.tokens), promptTokenCount: prompt.tokens.count,
            reusedTokenCount: read?.reused ?? 0, prefilledTokenCount: read?.prefilled ?? 0,
            regions: prompt.regions, cutTokenCount: prompt.cutTokenCount,
            droppedTokenCount: dropped,
            draftedTokenCount: (speculation?.draftedCount ?? 0) + (drafting?.pace.guessedCount ?? 0),
            acceptedTokenCount: (speculation?.acceptedCount ?? 0) + (drafting?.pace.acceptedCount ?? 0),
            draftTime: drafting?.pace.time ?? .zero, stopReason: answer.reason ?? .length,
            visionTimings: read?.vision ?? VisionTimings(), prefillTime: read?.time ?? .zero,
            decodeTime: decodeTime, decodedTokenCount: max(answer.tokens.count - 1, 0),
            decodeStream: decodeStream)
    }
}
