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
    /// What the random numbers depend on.
    public var seed: UInt64

    /// Creates options; the defaults draw greedily.
    public init(
        temperature: Double = 0, topK: Int = 0, topP: Double = 1, minP: Double = 0, repetitionPenalty: Double = 1,
        repetitionWindow: Int? = nil, seed: UInt64 = 0
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.repetitionWindow = repetitionWindow
        self.seed = seed
    }

    /// Throws `sampling.option` unless every value is in its range.
    public func check() throws {
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
    }
}

/// Draws tokens: penalty, then top-k, top-p and min-p on the probabilities at temperature 1, then temperature. This is
/// the order of llama.cpp; each step is defined as `SamplingOptions` says.
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
    ///   - history: The tokens so far, the prompt's included, for the repetition penalty.
    /// - Throws: `model.not-finite` when no logit is a finite largest one, or any is not a number.
    package mutating func next(logits: Span<Float>, history: [TokenID]) throws -> TokenID {
        if options.repetitionPenalty != 1 {
            adjusted.removeAll(keepingCapacity: true)
            logits.withUnsafeBufferPointer { adjusted.append(contentsOf: $0) }
            penalize(history)
            let copy = adjusted
            return try draw(copy.span)
        }
        return try draw(logits)
    }

    private mutating func penalize(_ history: [TokenID]) {
        let penalty = Float(options.repetitionPenalty)
        for token in Set(history.suffix(options.repetitionWindow ?? history.count)) {
            guard let index = Int(exactly: token.rawValue), adjusted.indices.contains(index) else { continue }
            adjusted[index] = adjusted[index] > 0 ? adjusted[index] / penalty : adjusted[index] * penalty
        }
    }

    private mutating func draw(_ logits: Span<Float>) throws -> TokenID {
        let best = try Self.argmax(logits)
        if options.temperature == 0 || options.topK == 1 { return TokenID(rawValue: Int32(best)) }
        let candidates = filtered(logits, largest: logits[best])
        // Weights are relative to the most likely candidate, so nothing overflows.
        let weights = candidates.map { exp(Double($0.logit - logits[best]) / options.temperature) }
        var remaining = random.nextUnit() * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            remaining -= weight
            if remaining < 0 { return TokenID(rawValue: candidate.token) }
        }
        return TokenID(rawValue: candidates.last?.token ?? Int32(best))
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
