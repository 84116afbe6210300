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

        let result = try model.divergence(from: reference, over: windows)
        #expect(result.tokenCount == divergences.count)
        let mean = divergences.reduce(0, +) / Double(divergences.count)
        #expect(abs(result.meanKL / mean - 1) < 1e-3)
        #expect(abs(result.p99KL / quantile - 1) < 1e-3)
        #expect(abs(result.top1Agreement - Double(agreeing) / Double(divergences.count)) < 0.02)
        let perplexities = [try model.perplexity(over: windows), try reference.perplexity(over: windows)]
        #expect(abs(result.perplexity / perplexities[0].perplexity - 1) < 1e-4)
        #expect(abs(result.referencePerplexity / perplexities[1].perplexity - 1) < 1e-4)
        #expect(result.meanKL > 0.001)
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
        let divergences = try single.map { try models[1].divergence(from: models[0], over: $0).meanKL }
        let together = try models[1].divergence(from: models[0], over: windows).meanKL
        #expect(abs(together - divergences.reduce(0, +) / Double(divergences.count)) < 1e-12)
    }

    @Test("a model does not diverge from itself")
    func itself() throws {
        let test = try TestModel.synthetic(matrices: .quantized(.q8))
        let windows = try EvaluationWindows(Self.text, context: 140, beginning: nil)
        let result = try test.llama().divergence(from: test.llama(threads: 1), over: windows)
        #expect(result.meanKL == 0)
        #expect(result.p99KL == 0)
        #expect(result.top1Agreement == 1)
        #expect(result.perplexity == result.referencePerplexity)
    }

    @Test("models with different vocabularies are not compared", .enabled(if: GeneratedFixtures.arePresent))
    func vocabularies() throws {
        let windows = try EvaluationWindows(Self.text, context: 48, beginning: nil)
        let error = #expect(throws: PVITError.self) {
            try TestModel.synthetic().llama().divergence(from: TestModel.plain("mini-llama-gqa").llama(), over: windows)
        }
        #expect(error?.code == .evaluationText)
    }
}
