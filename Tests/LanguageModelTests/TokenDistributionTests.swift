import Storage
import Tensors
import TestSupport
import Testing

@testable import LanguageModel

@Suite("Speculative sampling")
struct TokenDistributionTests {
    private static func distribution(_ weights: [Double]) -> TokenDistribution {
        TokenDistribution(weights.enumerated().map { (TokenID(rawValue: Int32($0)), $1) }.filter { $0.1 > 0 })
    }

    static let pairs: [(p: [Double], q: [Double])] = [
        ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]), ([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]),
        ([0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]), ([0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]),
        ([0.3, 0, 0.7, 0], [0.2, 0.5, 0, 0.3]), ([0, 0.6, 0.4, 0], [0, 1, 0, 0]),
    ]

    /// The probability of each token by the rule of arXiv 2211.17192, added up over all that the draft may guess.
    private func outcome(_ p: TokenDistribution, _ q: TokenDistribution, vocabulary: Int) -> [Double] {
        var result = [Double](repeating: 0, count: vocabulary)
        for (guess, drawn) in zip(q.tokens, q.probabilities) {
            let accepted = p.acceptance(of: guess, drawnFrom: q)
            result[Int(guess.rawValue)] += drawn * accepted
            let residual = p.residual(after: q)
            for (token, probability) in zip(residual.tokens, residual.probabilities) {
                result[Int(token.rawValue)] += drawn * (1 - accepted) * probability
            }
        }
        return result
    }

    @Test("accepting and replacing guesses gives exactly the target's distribution", arguments: pairs)
    func exact(_ pair: (p: [Double], q: [Double])) {
        let result = outcome(Self.distribution(pair.p), Self.distribution(pair.q), vocabulary: 4)
        for (got, wanted) in zip(result, pair.p) { #expect(abs(got - wanted) < 1e-15) }
    }

    @Test("so it does after the filters of both models, whatever they are")
    func filtered() throws {
        let target: [Float] = [2, 1.5, -0.3, 0.9, 3, -2, 0.1, 1.1]
        let draft: [Float] = [1, 2.5, 0.3, -0.9, 2, 1, 0.2, -1]
        let history: [TokenID] = [1, 4, 4, 7]
        for options in [
            SamplingOptions(temperature: 1), SamplingOptions(temperature: 0.7, topK: 3),
            SamplingOptions(temperature: 1.3, topP: 0.8), SamplingOptions(temperature: 1, minP: 0.1),
            SamplingOptions(temperature: 0.9, topK: 6, topP: 0.95, repetitionPenalty: 1.4),
        ] {
            var sampler = try Sampler(options)
            let p = try sampler.distribution(logits: target.span, history: history)
            let q = try sampler.distribution(logits: draft.span, history: history)
            #expect(abs(p.probabilities.reduce(0, +) - 1) < 1e-12)
            let result = outcome(p, q, vocabulary: target.count)
            for token in 0..<target.count {
                #expect(abs(result[token] - p.probability(of: TokenID(rawValue: Int32(token)))) < 1e-14)
            }
        }
    }

    @Test("the distribution is what the sampler draws from")
    func sampled() throws {
        let logits: [Float] = [2, 1.5, -0.3, 0.9, 3, -2, 0.1, 1.1]
        var sampler = try Sampler(SamplingOptions(temperature: 0.8, topK: 4, seed: 11))
        let distribution = try sampler.distribution(logits: logits.span, history: [])
        var (drawn, replaced) = ([Double](repeating: 0, count: 8), [Double](repeating: 0, count: 8))
        let count = 20_000
        let guesses = Self.distribution([0.2, 0.3, 0, 0.1, 0.1, 0.3, 0, 0])
        for _ in 0..<count {
            drawn[Int(try sampler.next(logits: logits.span, history: []).rawValue)] += 1
            let guess = sampler.draw(from: guesses)
            replaced[Int(try sampler.next(logits: logits.span, history: [], guess: guess, from: guesses).rawValue)] += 1
        }
        for token in 0..<8 {
            let wanted = distribution.probability(of: TokenID(rawValue: Int32(token)))
            // Five standard deviations; the seed is fixed.
            let bound = 5 * (wanted * (1 - wanted) / Double(count)).squareRoot()
            #expect(abs(drawn[token] / Double(count) - wanted) <= bound)
            #expect(abs(replaced[token] / Double(count) - wanted) <= bound)
        }
    }

    @Test("at temperature 0 a guess changes nothing")
    func greedy() throws {
        let logits: [Float] = [0.1, 2, 1.9]
        var sampler = try Sampler(SamplingOptions())
        for guess in [TokenID(rawValue: 0), TokenID(rawValue: 1)] {
            let token = try sampler.next(
                logits: logits.span, history: [], guess: guess, from: TokenDistribution([(guess, 1)]))
            #expect(token.rawValue == 1)
        }
    }
}
