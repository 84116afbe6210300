import Compute
import LanguageModel
import Tensors
import Tokenization

/// Options for generating an answer.
public struct GenerationOptions: Sendable {
    /// The maximum number of tokens to generate. nil means until the context is full.
    public var maximumTokens: Int?
    /// How to draw tokens.
    public var sampling: SamplingOptions
    /// Texts that end the answer. They are not included in it.
    public var stops: [String]
    /// The maximum number of tokens to guess ahead from the text so far (prompt lookup decoding), or nil for none. It
    /// does not change the answer.
    public var speculation: Int?
    /// What to do if prompt and answer do not fit the context.
    public var overflow: ContextOverflow
    /// Whether the beginning of a PVIT prompt may be cut if it is too long, as PVIT's worker does. Otherwise it is an
    /// error.
    public var mayCutPrompt = true
    /// How many of the most likely tokens to report beside each token drawn. nil reports no log probabilities.
    package var logprobCount: Int?

    /// Creates options. The defaults decode greedily until the model ends the answer.
    public init(
        maximumTokens: Int? = nil, sampling: SamplingOptions = SamplingOptions(), stops: [String] = [],
        speculation: Int? = nil, overflow: ContextOverflow = .stop
    ) {
        self.maximumTokens = maximumTokens
        self.sampling = sampling
        self.stops = stops
        self.speculation = speculation
        self.overflow = overflow
    }
}

/// What to do if prompt and answer do not fit the context.
public enum ContextOverflow: String, Sendable, Hashable, CaseIterable {
    /// End the answer when the context is full. A prompt that does not fit is an error.
    case stop
    /// Drop the oldest tokens, but keep instructions and image, and read the remaining ones again.
    case slide
}

/// Why an answer ended.
public enum StopReason: String, Sendable, Hashable {
    /// The model drew EOS or a token that ends its turn.
    case eos
    /// The answer reached a stop text.
    case stop
    /// The answer reached the maximum number of tokens.
    case length
    /// The context is full.
    case context
}

/// An answer, with statistics.
public struct GenerationResult: Sendable {
    /// The answer, as it was emitted.
    public let text: String
    /// The generated tokens, including the one that ended the answer.
    public let tokens: [TokenID]
    /// The number of tokens in the prompt.
    public let promptTokenCount: Int
    /// The number of prompt tokens that were in the cache already, from the conversation so far.
    public let reusedTokenCount: Int
    /// The number of prompt tokens that were read.
    public let prefilledTokenCount: Int
    /// The regions in the prompt, in the order of the text.
    package let regions: [RegionLocation]
    /// The number of tokens cut from the start of the prompt to make room for the answer.
    public let cutTokenCount: Int
    /// The number of the oldest tokens of prompt and answer that were dropped to make room.
    public let droppedTokenCount: Int
    /// The number of tokens that were guessed.
    public let draftedTokenCount: Int
    /// The number of guessed tokens that the model then drew.
    public let acceptedTokenCount: Int
    /// The time that the draft model took, its reading of the prompt included.
    public let draftTime: Duration
    /// Why the answer ended.
    public let stopReason: StopReason
    /// The time to encode the image and its regions, and its parts.
    package let visionTimings: VisionTimings
    /// The time from the start, encoding excluded, until the first token could be drawn.
    public let prefillTime: Duration
    /// The time from there to the end of the answer.
    public let decodeTime: Duration
    /// The number of tokens drawn after the first one.
    public let decodedTokenCount: Int
    /// What streaming weights cost during decode.
    package let decodeStream: StreamStatistics

    /// Notes on tokens that were cut or dropped to make room.
    package var losses: [String] {
        var notes: [String] = []
        if cutTokenCount > 0 {
            notes.append("the first \(cutTokenCount) tokens of the prompt were cut to make room for the answer")
        }
        if droppedTokenCount > 0 {
            notes.append("the oldest \(droppedTokenCount) tokens were dropped because the context was full")
        }
        return notes
    }

    /// The time to encode the image and its regions.
    public var visionTime: Duration { visionTimings.total }

    /// Prompt tokens read per second.
    public var prefillTokensPerSecond: Double {
        Self.rate(prefilledTokenCount, prefillTime)
    }

    /// Tokens generated per second.
    public var decodeTokensPerSecond: Double { Self.rate(decodedTokenCount, decodeTime) }

    private static func rate(_ count: Int, _ time: Duration) -> Double {
        let seconds = time.seconds
        return seconds > 0 ? Double(count) / seconds : 0
    }
}

extension Duration {
    /// The duration in seconds.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
