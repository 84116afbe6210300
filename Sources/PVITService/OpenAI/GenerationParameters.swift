import LanguageModel
import PVITModel
import Storage
import Tensors

/// The parameters that chat and text completions have in common, with OpenAI's defaults.
struct GenerationParameters: Sendable {
    /// How to answer. The seed is that of the first choice.
    private(set) var options: GenerationOptions
    /// The number of answers.
    let choiceCount: Int
    /// Whether the answer is streamed.
    let streams: Bool
    /// Whether a stream ends with the token counts.
    let includesUsage: Bool
    /// Whether a stream reports how much of the prompt has been read.
    let reportsProgress: Bool

    private static let maximumStopCount = 16

    /// - Parameters:
    ///   - defaultTokens: The maximum number of tokens if the request states none; nil until the context is full.
    ///   - vocabularySize: The number of tokens that may have a bias.
    /// - Throws: A `ServiceError` that names the member at fault.
    init(_ request: RequestObject, defaultTokens: Int?, vocabularySize: Int) throws {
        let whole = 0...Int.max
        let maximum =
            try request.integer("max_completion_tokens", in: whole) ?? request.integer("max_tokens", in: whole)
        var sampling = SamplingOptions(
            temperature: try request.number("temperature", in: 0...2) ?? 1,
            topK: max(try request.integer("top_k", in: -1...Int.max) ?? 0, 0),
            minP: try request.number("min_p", in: 0...1) ?? 0,
            repetitionPenalty: try request.number("repetition_penalty", in: 0.01...10) ?? 1,
            presencePenalty: try request.number("presence_penalty", in: -2...2) ?? 0,
            frequencyPenalty: try request.number("frequency_penalty", in: -2...2) ?? 0,
            logitBias: try Self.bias(request, vocabularySize),
            seed: try request.integer("seed", in: Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) }
                ?? UInt64.random(in: 0...UInt64.max))
        try sampling.readTopP(request)
        let stops = try request.strings("stop") ?? []
        guard stops.count <= Self.maximumStopCount else {
            throw request.invalid("stop", "has \(stops.count) texts, but at most \(Self.maximumStopCount) are possible")
        }
        options = GenerationOptions(
            maximumTokens: maximum ?? defaultTokens, sampling: sampling, stops: stops.filter { !$0.isEmpty })
        options.mayCutPrompt = false
        choiceCount = try request.integer("n", in: 1...4) ?? 1
        streams = try request.bool("stream") ?? false
        includesUsage = try request.object("stream_options")?.bool("include_usage") ?? false
        reportsProgress = try request.bool("return_progress") ?? false
    }

    /// Asks for log probabilities.
    mutating func report(logprobCount: Int?) { options.logprobCount = logprobCount }

    /// How to answer for one of the choices. Each has a seed of its own, the first one that of the request.
    func options(choice: Int) -> GenerationOptions {
        var result = options
        result.sampling.seed = options.sampling.seed &+ UInt64(choice)
        return result
    }

    private static func bias(_ request: RequestObject, _ vocabularySize: Int) throws -> [TokenID: Double] {
        guard let object = request["logit_bias"] else { return [:] }
        guard let members = object.object?.members else { throw request.invalid("logit_bias", "is not an object") }
        var result: [TokenID: Double] = [:]
        for member in members {
            guard let id = Int(member.key), (0..<vocabularySize).contains(id), let token = TokenID(exactly: id) else {
                throw request.invalid(
                    "logit_bias", "has the key \"\(member.key)\", but keys are token numbers below \(vocabularySize)")
            }
            guard let bias = member.value.double, (-100...100).contains(bias) else {
                throw request.invalid("logit_bias", "of token \(id) is not a number from -100 to 100")
            }
            result[token] = bias
        }
        return result
    }
}

extension SamplingOptions {
    /// Reads `top_p`. The smallest set that reaches probability 0 is the most likely token.
    mutating func readTopP(_ request: RequestObject) throws {
        guard let share = try request.number("top_p", in: 0...1) else { return }
        if share > 0 { topP = share } else { topK = 1 }
    }
}
