import Foundation
import Storage
import Tensors
import Testing
import Tokenization

@testable import LanguageModel

@Suite("Drawing tokens")
struct SamplerTests {
    /// Logits whose probabilities are 0.5, 0.25, 0.125, 0.0625, 0.0625, out of order.
    private static let probabilities: [Double] = [0.0625, 0.25, 0.0625, 0.5, 0.125]
    private static let logits = probabilities.map { Float(log($0)) + 7 }

    private func kept(_ options: SamplingOptions, _ logits: [Float] = Self.logits) throws -> [Int32] {
        let largest = try #require(logits.max())
        return try Sampler(options).filtered(logits.span, largest: largest).map(\.token)
    }

    @Test("temperature 0 takes the largest logit, the lowest id of equal ones")
    func greedy() throws {
        var sampler = try Sampler(SamplingOptions())
        #expect(try sampler.next(logits: [1, 3, 2, 3].span, history: []) == 1)
        #expect(try sampler.next(logits: [-5, -3, -.infinity].span, history: []) == 1)
    }

    @Test("top-k keeps the k largest, of equal ones those with the lowest ids")
    func topK() throws {
        #expect(try kept(SamplingOptions(temperature: 1, topK: 1)) == [3])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 3)) == [3, 1, 4])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 4)) == [3, 1, 4, 0])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 100)) == [3, 1, 4, 0, 2])
    }

    @Test("top-p keeps the shortest run of most likely tokens that reaches p")
    func topP() throws {
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.4)) == [3])
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.51)) == [3, 1])
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.74)) == [3, 1])
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.8)) == [3, 1, 4])
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.99)) == [3, 1, 4, 0, 2])
        // Of the two that top-k keeps, the first has two thirds.
        #expect(try kept(SamplingOptions(temperature: 1, topK: 2, topP: 0.6)) == [3])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 2, topP: 0.7)) == [3, 1])
    }

    @Test("min-p keeps what has that share of the largest probability")
    func minP() throws {
        #expect(Set(try kept(SamplingOptions(temperature: 1, minP: 0.6))) == [3])
        #expect(Set(try kept(SamplingOptions(temperature: 1, minP: 0.3))) == [3, 1])
        #expect(Set(try kept(SamplingOptions(temperature: 1, minP: 0.2))) == [3, 1, 4])
        #expect(Set(try kept(SamplingOptions(temperature: 1, minP: 0.1))) == [3, 1, 4, 0, 2])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 3, minP: 0.3)) == [3, 1])
    }

    @Test("far and infinite logits do not keep filters from their result")
    func extremes() throws {
        let logits: [Float] = [1000, -1000, 999, -.infinity, -.infinity]
        #expect(try kept(SamplingOptions(temperature: 1, topK: 3), logits) == [0, 2, 1])
        #expect(try kept(SamplingOptions(temperature: 1, topK: 5), logits) == [0, 2, 1, 3, 4])
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.9), logits) == [0, 2])
    }

    @Test("filters of a large vocabulary are those of a plain sort")
    func largeVocabulary() throws {
        var random = RandomSource(seed: 11)
        let logits = (0..<50_000).map { _ in Float(random.nextUnit() * 30 - 15) }
        let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
        #expect(try kept(SamplingOptions(temperature: 1, topK: 700), logits) == order.prefix(700).map(Int32.init))
        let weights = order.map { exp(Double(logits[$0] - logits[order[0]])) }
        let target = weights.reduce(0, +) * 0.97
        var sum = 0.0
        let count =
            (weights.firstIndex { weight in
                sum += weight
                return sum >= target
            } ?? 0) + 1
        #expect(try kept(SamplingOptions(temperature: 1, topP: 0.97), logits) == order.prefix(count).map(Int32.init))
    }

    @Test("the penalty divides positive and multiplies negative logits of tokens that occurred, once each")
    func repetition() throws {
        var sampler = try Sampler(SamplingOptions(repetitionPenalty: 2))
        // Penalised: 4 → 2, -1 → -2.
        #expect(try sampler.next(logits: [4, 3, -1].span, history: [0, 0, 2]) == 1)
        #expect(try sampler.next(logits: [-2, -3, -4].span, history: [0]) == 1)
        #expect(try sampler.next(logits: [4, 1.9, -1].span, history: [0, 0, 0]) == 0)
        var windowed = try Sampler(SamplingOptions(repetitionPenalty: 2, repetitionWindow: 2))
        #expect(try windowed.next(logits: [4, 3, -1].span, history: [0, 2, 2]) == 0)
        #expect(try windowed.next(logits: [4, 3, -1].span, history: [0, 500, -1]) == 0)
    }

    @Test(
        "presence and frequency penalties count generated tokens, a bias is added, and excluded tokens are never drawn")
    func adjustments() throws {
        var presence = try Sampler(SamplingOptions(presencePenalty: 1.5))
        #expect(try presence.next(logits: [4, 3, -1].span, history: [0, 0], promptCount: 2) == 0)
        #expect(try presence.next(logits: [4, 3, -1].span, history: [0, 0], promptCount: 1) == 1)
        #expect(try presence.next(logits: [4, 2.4, -1].span, history: [0, 0, 0], promptCount: 0) == 0)
        var frequency = try Sampler(SamplingOptions(frequencyPenalty: 0.6))
        #expect(try frequency.next(logits: [4, 3, -1].span, history: [0], promptCount: 0) == 0)
        #expect(try frequency.next(logits: [4, 3, -1].span, history: [0, 0], promptCount: 0) == 1)
        var biased = try Sampler(SamplingOptions(logitBias: [2: 100, 0: -100, 77: 5]))
        #expect(try biased.next(logits: [4, 3, -1].span, history: []) == 2)
        var random = try Sampler(SamplingOptions(temperature: 5, seed: 3))
        for _ in 0..<100 {
            let token = try random.next(logits: [4, 3, 3.5].span, history: []) { $0 != 0 }
            #expect(token != 0)
        }
        var greedy = try Sampler(SamplingOptions())
        #expect(try greedy.next(logits: [4, 3, 3.5].span, history: []) { $0.rawValue == 1 } == 1)
        #expect(throws: PVITError.self) { try greedy.next(logits: [.nan, 3, 3.5].span, history: []) { $0 == 1 } }
    }

    @Test("drawn tokens have the probabilities of the filtered softmax at the temperature", arguments: [1.0, 2.0, 0.5])
    func distribution(_ temperature: Double) throws {
        var sampler = try Sampler(SamplingOptions(temperature: temperature, topK: 4, seed: 42))
        var counts = [Int](repeating: 0, count: 5)
        let draws = 20_000
        for _ in 0..<draws { counts[Int(try sampler.next(logits: Self.logits.span, history: []).rawValue)] += 1 }
        // Probabilities to the power of 1 / temperature, of those that top-k keeps.
        let weights = [0.0625, 0.25, 0, 0.5, 0.125].map { $0 > 0 ? exp(log($0) / temperature) : 0 }
        let total = weights.reduce(0, +)
        #expect(counts[2] == 0)
        var chiSquare = 0.0
        for (count, weight) in zip(counts, weights) where weight > 0 {
            let expected = weight / total * Double(draws)
            chiSquare += (Double(count) - expected) * (Double(count) - expected) / expected
        }
        // The 99.9th percentile with three degrees of freedom.
        #expect(chiSquare < 16.27)
    }

    @Test("the same seed draws the same tokens, another one does not")
    func seeds() throws {
        func draw(_ seed: UInt64) throws -> [TokenID] {
            var sampler = try Sampler(SamplingOptions(temperature: 1, seed: seed))
            return try (0..<50).map { _ in try sampler.next(logits: Self.logits.span, history: []) }
        }
        #expect(try draw(1) == draw(1))
        #expect(try draw(1) != draw(2))
    }

    @Test("logits that are no numbers are an error")
    func notFinite() throws {
        var sampler = try Sampler(SamplingOptions())
        for logits in [[.nan, 1], [1, .nan], [.infinity, 1], [-.infinity, -.infinity], []] as [[Float]] {
            let error = #expect(throws: PVITError.self) { try sampler.next(logits: logits.span, history: []) }
            #expect(error?.code == .notFinite)
        }
    }

    @Test(
        "options out of range are refused",
        arguments: [
            SamplingOptions(temperature: -1), SamplingOptions(temperature: .nan), SamplingOptions(topK: -1),
            SamplingOptions(topP: 0), SamplingOptions(topP: 1.1), SamplingOptions(topP: .nan),
            SamplingOptions(minP: -0.1),
            SamplingOptions(minP: 2), SamplingOptions(repetitionPenalty: 0), SamplingOptions(repetitionWindow: -1),
        ])
    func options(_ options: SamplingOptions) {
        let error = #expect(throws: PVITError.self) { _ = try Sampler(options) }
        #expect(error?.code == .samplingOption)
    }
}
