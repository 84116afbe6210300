import Compute
import LanguageModel
import Tensors
import Tokenization

/// How a text is continued.
public struct GenerationOptions: Sendable {
    /// The most tokens that are made; nil for as many as fit the context.
    public var maximumTokens: Int?
    /// How tokens are drawn.
    public var sampling: SamplingOptions
    /// Texts that end the answer and are not part of it.
    public var stops: [String]
    /// The most tokens that are guessed from the text so far and read on trial; nil for none. The answer is the same.
    public var speculation: Int?
    /// What is done when prompt and answer do not fit the context.
    public var overflow: ContextOverflow
    /// Whether a PVIT prompt that is too long may lose its beginning, as with PVIT's worker, and is no error.
    public var mayCutPrompt = true

    /// Creates options; the defaults draw greedily until the model ends.
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

/// What is done when prompt and answer do not fit the context.
public enum ContextOverflow: String, Sendable, Hashable, CaseIterable {
    /// An answer ends where the context is full, and a prompt that does not fit is an error.
    case stop
    /// The oldest part is dropped, but for instructions and image, and what stays is read again without it.
    case slide
}

/// Why an answer ended.
public enum StopReason: String, Sendable, Hashable {
    /// The model chose a token that ends texts or turns.
    case endOfText = "eos"
    /// A stop text came.
    case stop
    /// The most tokens that were asked for were made.
    case length
    /// The context is full.
    case context
}

/// An answer and how it came about.
public struct GenerationResult: Sendable {
    /// The answer, as it was streamed.
    public let text: String
    /// The tokens that were made, the one that ended the answer included.
    public let tokens: [TokenID]
    /// How many tokens the model was given.
    public let promptTokenCount: Int
    /// How many of them were in the cache already, from the conversation before.
    public let reusedTokenCount: Int
    /// How many of them were read.
    public let prefilledTokenCount: Int
    /// The regions that the prompt shows, in the order of the text.
    public let regions: [RegionLocation]
    /// How many tokens were cut off at the beginning of the prompt so that the answer has room.
    public let cutTokenCount: Int
    /// How many of the oldest tokens of prompt and answer were dropped to make room.
    public let droppedTokenCount: Int
    /// How many tokens were guessed.
    public let draftedTokenCount: Int
    /// How many of them came.
    public let acceptedTokenCount: Int
    /// Why the answer ended.
    public let stopReason: StopReason
    /// How long it took to look at the image.
    public let visionTimings: VisionTimings
    /// From then, or from the beginning, until the first token can be drawn.
    public let prefillTime: Duration
    /// From there to the end.
    public let decodeTime: Duration
    /// How many tokens were drawn after the first one.
    public let decodedTokenCount: Int
    /// What reading weights cost in that time.
    public let decodeStream: StreamStatistics

    /// Prompt tokens that were computed for each second.
    public var prefillTokensPerSecond: Double {
        Self.rate(prefilledTokenCount, prefillTime)
    }

    /// Tokens that were made for each second.
    public var decodeTokensPerSecond: Double { Self.rate(decodedTokenCount, decodeTime) }

    private static func rate(_ count: Int, _ time: Duration) -> Double {
        let seconds = time.seconds
        return seconds > 0 ? Double(count) / seconds : 0
    }
}

extension Duration {
    /// The length in seconds.
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
