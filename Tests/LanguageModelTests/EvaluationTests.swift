import CheckpointTestSupport
import Foundation
import Storage
import Tensors
import Testing
import Tokenization

@testable import LanguageModel

@Suite("Measuring models")
struct EvaluationTests {
    private static let text: [TokenID] = (0..<150).map { TokenID(rawValue: Int32($0 * 37 % 301)) }

    @Test("windows do not overlap, begin with the beginning token, and score their second half")
    func windows() throws {
        let windows = try EvaluationWindows(Self.text, context: 32, beginning: 7)
        #expect(windows.windows.count == 4)
        #expect(windows.windows.allSatisfy { $0.count == 32 && $0[0] == 7 })
        #expect(Array(windows.windows[2][1...]) == Array(Self.text[65..<96]))
        #expect(windows.scored == 16..<31)
        #expect(try EvaluationWindows(Self.text, context: 32, beginning: nil).windows[1] == Array(Self.text[32..<64]))
        for context in [3, 0, -5, 151] {
            #expect(throws: PVITError.self) { try EvaluationWindows(Self.text, context: context, beginning: nil) }
        }
    }

    /// The logits of all positions of the windows, each computed in one piece.
    private func logits(_ model: Llama, _ windows: EvaluationWindows) throws -> [[[Double]]] {
        var cache = try KVCache(for: model.configuration, storage: .f16, capacity: windows.context)
        return try windows.windows.map { window in
            cache.truncate(to: 0)
            var rows: [[Double]] = []
            try model.forward(.tokens(window), cache: &cache, logits: .from(0)) { _, logits in
                rows.append(logits.array.map(Double.init))
            }
            return rows
        }
    }

    private func logSoftmax(_ logits: [Double]) -> [Double] {
        let largest = logits.max() ?? 0
        let normalizer = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
        return logits.map { $0 - normalizer }
    }

    @Test("perplexity is exp of the mean loss over the second halves")
    func perplexity() throws {
        let model = try TestModel.synthetic().llama()
        let windows = try EvaluationWindows(Self.text, context: 48, beginning: 1)
        var losses: [Double] = []
        for (window, rows) in zip(windows.windows, try logits(model, windows)) {
            for position in 24...46 { losses.append(-logSoftmax(rows[position])[Int(window[position + 1].rawValue)]) }
        }
        var progress: [Int] = []
        let result = try model.perplexity(over: windows) { progress.append($0) }
        #expect(result.tokenCount == 3 * 23)
        #expect(abs(result.perplexity / exp(losses.reduce(0, +) / 69) - 1) < 1e-4)
        #expect(result.standardError ?? 0 > 0)
        #expect(progress == [1, 2, 3])
    }

    @Test("divergence is the mean of KL(reference ‖ model), with its quantile and the agreement of the best tokens")
    func divergence() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q4)).llama()
        let reference = try TestModel.synthetic().llama()
        let windows = try EvaluationWindows(Self.text, context: 48, beginning: nil)
        var divergences: [Double] = []
        var agreeing = 0
        for (ours, theirs) in zip(try logits(model, windows), try logits(reference, windows)) {
            for position in windows.scored {
                let (p, q) = (logSoftmax(theirs[position]), logSoftmax(ours[position]))
                divergences.append(p.indices.reduce(0.0) { sum, index in sum + exp(p[index]) * (p[index] - q[index]) })
                if p.firstIndex(of: p.max() ?? 0) == q.firstIndex(of: q.max() ?? 0) { agreeing += 1 }
            }
        }
        divergences.sort()
        let place = 0.99 * Double(divergences.count - 1)
        let below = divergences[Int(place)]
        let quantile = below + (divergences[Int(place) + 1] - below) * (place - Double(Int(place)))

        let result = DivergenceResult(try model.comparison(with: reference, over: windows))
        #expect(result.tokenCount == divergences.count)
        let mean = divergences.reduce(0, +) / Double(divergences.count)
        #expect(abs(result.meanKL.value / mean - 1) < 1e-3)
        #expect(abs(result.p99KL / quantile - 1) < 1e-3)
        #expect(abs(result.top1Agreement.value - Double(agreeing) / Double(divergences.count)) < 0.02)
        let perplexities = [try model.perplexity(over: windows), try reference.perplexity(over: windows)]
        #expect(abs(result.perplexity / perplexities[0].perplexity - 1) < 1e-4)
        #expect(abs(result.referencePerplexity / perplexities[1].perplexity - 1) < 1e-4)
        #expect(result.meanKL.value > 0.001)
    }

    @Test("windows are read together while they are small, and each at least alone")
    func groups() throws {
        let windows = try EvaluationWindows(Self.text, context: 32, beginning: 7)
        #expect(windows.groups(ofPositions: 64) == [0..<2, 2..<4])
        #expect(windows.groups(ofPositions: 100) == [0..<3, 3..<4])
        #expect(windows.groups(ofPositions: 31) == [0..<1, 1..<2, 2..<3, 3..<4])
        #expect(windows.groups(ofPositions: 1000) == [0..<4])
    }

    @Test("windows that are read together are measured as one by one")
    func together() throws {
        let models = try [.asStored, .quantized(.q4)].map { try TestModel.synthetic(matrices: $0).llama() }
        let windows = try EvaluationWindows(Self.text, context: 30, beginning: nil)
        let single = try windows.windows.map { try EvaluationWindows($0, context: 30, beginning: nil) }
        let losses = try single.map { log(try models[1].perplexity(over: $0).perplexity) }
        let mean = losses.reduce(0, +) / Double(losses.count)
        #expect(abs(log(try models[1].perplexity(over: windows).perplexity) - mean) < 1e-12)
        let divergences = try single.map { try models[1].comparison(with: models[0], over: $0) }
        let together = try models[1].comparison(with: models[0], over: windows)
        #expect(together.windows == divergences.flatMap(\.windows))
    }

    @Test("a model does not diverge from itself")
    func itself() throws {
        let test = try TestModel.synthetic(matrices: .quantized(.q8))
        let windows = try EvaluationWindows(Self.text, context: 140, beginning: nil)
        let result = DivergenceResult(try test.llama().comparison(with: test.llama(threads: 1), over: windows))
        #expect(result.meanKL.value == 0)
        #expect(result.maximumKL == 0)
        #expect(result.top1Agreement.value == 1)
        #expect(result.rmsProbabilityChange.value == 0 && result.rmsProbabilityChange.standardError == 0)
        #expect(result.perplexity == result.referencePerplexity)
    }

    @Test("models with different vocabularies are not compared", .enabled(if: GeneratedFixtures.arePresent))
    func vocabularies() throws {
        let windows = try EvaluationWindows(Self.text, context: 48, beginning: nil)
        let error = #expect(throws: PVITError.self) {
            try TestModel.synthetic().llama().comparison(with: TestModel.plain("mini-llama-gqa").llama(), over: windows)
        }
        #expect(error?.code == .evaluationText)
    }

    private func compare(_ expected: [Float], _ logits: [Float], target: Int) throws -> Comparison {
        try Comparison(expected.span, logits.span, target: target)
    }

    /// Logits of two models, [windows, tokens, vocabulary], and what NumPy computes of them.
    private struct Fixture: Decodable {
        let reference: [[[Float]]]
        let model: [[[Float]]]
        let targets: [[Int]]
        let expected: [String: Double]

        static func load() throws -> Fixture {
            let url = try #require(Bundle.module.url(forResource: "divergence", withExtension: "json"))
            return try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
        }

        func windows() throws -> [[Comparison]] {
            try targets.indices.map { window in
                try targets[window].indices.map { token in
                    let (expected, logits) = (reference[window][token], model[window][token])
                    return try Comparison(expected.span, logits.span, target: targets[window][token])
                }
            }
        }
    }

    @Test("statistics are those that NumPy computes")
    func statistics() throws {
        let fixture = try Fixture.load()
        let result = DivergenceResult(ComparedWindows(try fixture.windows()))
        let computed: [String: Double?] = [
            "perplexity": result.perplexity, "reference_perplexity": result.referencePerplexity,
            "perplexity_ratio": result.perplexityRatio.value,
            "perplexity_ratio_standard_error": result.perplexityRatio.standardError,
            "mean_kl": result.meanKL.value, "mean_kl_standard_error": result.meanKL.standardError,
            "median_kl": result.medianKL, "p95_kl": result.p95KL, "p99_kl": result.p99KL, "p999_kl": result.p999KL,
            "max_kl": result.maximumKL, "mean_probability_change": result.meanProbabilityChange.value,
            "mean_probability_change_standard_error": result.meanProbabilityChange.standardError,
            "rms_probability_change": result.rmsProbabilityChange.value,
            "rms_probability_change_standard_error": result.rmsProbabilityChange.standardError,
            "top1_agreement": result.top1Agreement.value,
            "top1_agreement_standard_error": result.top1Agreement.standardError,
        ]
        #expect(Set(computed.keys) == Set(fixture.expected.keys))
        for (name, expected) in fixture.expected {
            let value = try #require(computed[name] ?? nil)
            #expect(abs(value - expected) <= 1e-12 * max(1, abs(expected)), "\(name): \(value), not \(expected)")
        }
        #expect(result.tokenCount == 30 && result.windowCount == 5)
    }

    @Test("the statistics of several texts are those of all their windows")
    func severalTexts() throws {
        let windows = try Fixture.load().windows()
        var all = ComparedWindows(Array(windows[..<2]))
        all.append(ComparedWindows(Array(windows[2...])))
        #expect(DivergenceResult(all) == DivergenceResult(ComparedWindows(windows)))
    }

    @Test("a single token has no standard error")
    func singleToken() throws {
        let result = DivergenceResult(ComparedWindows([[try Fixture.load().windows()[1][0]]]))
        #expect(result.meanKL.value > 0 && result.medianKL == result.maximumKL)
        for estimate in [
            result.meanKL, result.perplexityRatio, result.meanProbabilityChange, result.rmsProbabilityChange,
            result.top1Agreement,
        ] {
            #expect(estimate.value.isFinite && estimate.standardError == nil)
        }
    }

    @Test(
        "a logit that is not finite is an error that tells whose it is", arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(_ number: Float) throws {
        let (finite, broken): ([Float], [Float]) = ([1, 2, 3], [1, number, 3])
        let ours = #expect(throws: PVITError.self) { try compare(finite, broken, target: 0) }
        #expect(ours?.code == .notFinite && ours?.description.contains("of the model") == true)
        let theirs = #expect(throws: PVITError.self) { try compare(broken, finite, target: 0) }
        #expect(theirs?.code == .notFinite && theirs?.description.contains("of the reference") == true)
    }

    @Test("the largest finite logits give finite divergences")
    func largestLogits() throws {
        let far: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0]
        let comparison = try compare(far.reversed(), far, target: 1)
        #expect(comparison.divergence.isFinite && comparison.divergence > 1e38 && !comparison.sameTop)
        #expect(comparison.probabilityChange == 0)
    }
}
