import Storage
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How the next token is drawn from the logits.
public struct SamplingOptions: Sendable, Hashable {
    /// What logits are divided by; 0 takes the token with the largest logit.
    public var temperature: Double
    /// How many of the most likely tokens stay; 0 keeps all.
    public var topK: Int
    /// The probability mass that stays: the smallest set of most likely tokens that reaches it (arXiv 1904.09751); 1
    /// keeps all.
    public var topP: Double
    /// The share of the largest probability that a token must have to stay (arXiv 2407.01082); 0 keeps all.
    public var minP: Double
    /// What the logits of tokens that already occurred are divided by when positive and multiplied by when negative
    /// (arXiv 1909.05858); 1 changes nothing.
    public var repetitionPenalty: Double
    /// How many of the last tokens count for the penalty; nil counts all.
    public var repetitionWindow: Int?
    /// What is subtracted from the logit of every token that was generated already, as OpenAI's API defines it.
    public var presencePenalty: Double
    /// What is subtracted from the logit of a token for each time that it was generated, as OpenAI's API defines it.
    public var frequencyPenalty: Double
    /// What is added to the logits of tokens.
    public var logitBias: [TokenID: Double]
    /// What the random numbers depend on.
    public var seed: UInt64

    /// Creates options; the defaults draw greedily.
    public init(
        temperature: Double = 0, topK: Int = 0, topP: Double = 1, minP: Double = 0, repetitionPenalty: Double = 1,
        repetitionWindow: Int? = nil, presencePenalty: Double = 0, frequencyPenalty: Double = 0,
        logitBias: [TokenID: Double] = [:], seed: UInt64 = 0
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.repetitionWindow = repetitionWindow
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
        self.logitBias = logitBias
        self.seed = seed
    }

    /// Throws `sampling.option` unless every value is in its range.
    package func check() throws {
        func require(_ condition: Bool, _ what: String) throws {
            guard condition else { throw PVITError(.samplingOption, what) }
        }
        try require(temperature.isFinite && temperature >= 0, "the temperature must be a finite number, 0 or more")
        try require(topK >= 0, "top-k must be 0 (all) or more")
        try require(topP > 0 && topP <= 1, "top-p must be above 0 and at most 1")
        try require(minP >= 0 && minP <= 1, "min-p must be from 0 to 1")
        try require(
            repetitionPenalty.isFinite && repetitionPenalty > 0,
            "the repetition penalty must be a finite number above 0")
        try require(repetitionWindow ?? 0 >= 0, "the repetition window must be 0 or more")
        try require(
            presencePenalty.isFinite && frequencyPenalty.isFinite,
            "the presence penalty and the frequency penalty must be finite numbers")
        try require(logitBias.values.allSatisfy(\.isFinite), "a logit bias must be a finite number")
    }
}

/// Draws tokens: bias and penalties, then top-k, top-p and min-p on the probabilities at temperature 1, then
/// temperature. This is the order of llama.cpp; each step is defined as `SamplingOptions` says.
package struct Sampler: Sendable {
    /// A token that may be drawn.
    struct Candidate: Hashable {
        var token: Int32
        var logit: Float

        /// The order of candidates: largest logit first, equal ones by id.
        static func precedes(_ left: Candidate, _ right: Candidate) -> Bool {
            left.logit != right.logit ? left.logit > right.logit : left.token < right.token
        }
    }

    let options: SamplingOptions
    private var random: RandomSource
    private var adjusted: [Float] = []

    /// Creates a sampler.
    ///
    /// - Throws: `sampling.option` when a value of `options` is out of range.
    package init(_ options: SamplingOptions) throws {
        try options.check()
        self.options = options
        random = RandomSource(seed: options.seed)
    }

    /// The next token.
    ///
    /// - Parameters:
    ///   - logits: `[vocabulary]`.
    ///   - history: The tokens so far, the prompt's included.
    ///   - promptCount: How many of them are the prompt's. Only the repetition penalty counts those.
    ///   - allows: Whether a token may be drawn; nil allows all. It must allow one.
    /// - Throws: `model.not-finite` when no logit is a finite largest one, or any is not a number.
    package mutating func next(
        logits: Span<Float>, history: [TokenID], promptCount: Int = 0, allows: ((TokenID) -> Bool)? = nil
    ) throws -> TokenID {
        guard let adjusted = try adjusted(logits, history, promptCount: promptCount, allows) else {
            return try draw(logits)
        }
        return try draw(adjusted.span)
    }

    /// The next token, where a draft has guessed one. The tokens are distributed as those of `next` are; at temperature
    /// 0 they are the same.
    ///
    /// - Parameters:
    ///   - guess: A token that was drawn from `guesses`.
    ///   - guesses: The distribution of the model that made the draft, after its own penalties and filters.
    /// - Throws: As `next`.
    package mutating func next(
        logits: Span<Float>, history: [TokenID], promptCount: Int = 0, guess: TokenID, from guesses: TokenDistribution
    ) throws -> TokenID {
        if isGreedy { return try next(logits: logits, history: history, promptCount: promptCount) }
        let distribution = try distribution(logits: logits, history: history, promptCount: promptCount)
        if random.nextUnit() < distribution.acceptance(of: guess, drawnFrom: guesses) { return guess }
        return distribution.residual(after: guesses).token(at: random.nextUnit())
    }

    /// What the next token is drawn from, after penalties, filters and temperature.
    ///
    /// - Throws: As `next`.
    package mutating func distribution(
        logits: Span<Float>, history: [TokenID], promptCount: Int = 0
    ) throws -> TokenDistribution {
        guard let adjusted = try adjusted(logits, history, promptCount: promptCount, nil) else {
            return try distribution(logits)
        }
        return try distribution(adjusted.span)
    }

    /// Draws a token from a distribution.
    package mutating func draw(from distribution: TokenDistribution) -> TokenID {
        isGreedy ? distribution.tokens[0] : distribution.token(at: random.nextUnit())
    }

    /// Whether the token with the largest logit is always taken.
    package var isGreedy: Bool { options.temperature == 0 || options.topK == 1 }

    /// The logits after bias, penalties and rules; nil if there are none of these.
    private mutating func adjusted(
        _ logits: Span<Float>, _ history: [TokenID], promptCount: Int, _ allows: ((TokenID) -> Bool)?
    ) throws -> [Float]? {
        let isAdjusted =
            options.repetitionPenalty != 1 || options.presencePenalty != 0 || options.frequencyPenalty != 0
            || !options.logitBias.isEmpty
        guard isAdjusted || allows != nil else { return nil }
        // A logit that is not finite must be an error even where a rule would exclude its token.
        _ = try Self.argmax(logits)
        adjusted.removeAll(keepingCapacity: true)
        logits.withUnsafeBufferPointer { adjusted.append(contentsOf: $0) }
        for (token, bias) in options.logitBias { adjust(token) { $0 + Float(bias) } }
        penalize(history, promptCount: promptCount)
        if let allows {
            for index in adjusted.indices where !allows(TokenID(rawValue: Int32(index))) {
                adjusted[index] = -.infinity
            }
        }
        return adjusted
    }

    private mutating func penalize(_ history: [TokenID], promptCount: Int) {
        if options.repetitionPenalty != 1 {
            let penalty = Float(options.repetitionPenalty)
            for token in Set(history.suffix(options.repetitionWindow ?? history.count)) {
                adjust(token) { $0 > 0 ? $0 / penalty : $0 * penalty }
            }
        }
        if options.presencePenalty != 0 || options.frequencyPenalty != 0 {
            let counts = history.dropFirst(promptCount).reduce(into: [TokenID: Int]()) { $0[$1, default: 0] += 1 }
            for (token, count) in counts {
                let penalty = options.presencePenalty + options.frequencyPenalty * Double(count)
                adjust(token) { $0 - Float(penalty) }
            }
        }
    }

    private mutating func adjust(_ token: TokenID, _ change: (Float) -> Float) {
        guard let index = Int(exactly: token.rawValue), adjusted.indices.contains(index) else { return }
        adjusted[index] = change(adjusted[index])
    }

    private mutating func draw(_ logits: Span<Float>) throws -> TokenID {
        let best = try Self.argmax(logits)
        if isGreedy { return TokenID(rawValue: Int32(best)) }
        let (candidates, weights) = weighted(logits, best: best)
        var remaining = random.nextUnit() * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            remaining -= weight
            if remaining < 0 { return TokenID(rawValue: candidate.token) }
        }
        return TokenID(rawValue: candidates.last?.token ?? Int32(best))
    }

    private func distribution(_ logits: Span<Float>) throws -> TokenDistribution {
        let best = try Self.argmax(logits)
        if isGreedy { return TokenDistribution([(TokenID(rawValue: Int32(best)), 1)]) }
        let (candidates, weights) = weighted(logits, best: best)
        return TokenDistribution(zip(candidates, weights).map { (TokenID(rawValue: $0.token), $1) })
    }

    /// The candidates after all filters, and what their probabilities are in proportion to.
    private func weighted(_ logits: Span<Float>, best: Int) -> (candidates: [Candidate], weights: [Double]) {
        let candidates = filtered(logits, largest: logits[best]).filter { $0.logit > -.infinity }
        // Weights are relative to the most likely candidate, so nothing overflows.
        return (candidates, candidates.map { exp(Double($0.logit - logits[best]) / options.temperature) })
    }

    /// The index of the largest logit, the lowest of equal ones.
    ///
    /// - Throws: `model.not-finite`.
    package static func argmax(_ logits: Span<Float>) throws -> Int {
        var best = 0
        var largest = -Float.infinity
        var hasNaN = false
        for index in logits.indices {
            let logit = logits[index]
            hasNaN = hasNaN || logit.isNaN
            if logit > largest {
                largest = logit
                best = index
            }
        }
        guard !hasNaN, largest.isFinite else {
            throw PVITError(
                .notFinite, "the model's logits are not finite numbers",
                remedy: "check the file with `pvit verify`; if it is sound, the checkpoint it was made of is not")
        }
        return best
    }
}

extension PVITError.Code {
    /// An option of the sampler is out of range.
    package static let samplingOption = Self("sampling.option", .usage)
    /// The model computed infinities or not-a-numbers.
    package static let notFinite = Self("model.not-finite", .badData)
}
