import Architectures
import CheckpointTestSupport
import Compute
import Foundation
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import LanguageModel

/// Hidden states, caches, logits and continuations that the original PyTorch code computed in float32.
@Suite("Logits of generated checkpoints", .slow, .needsFixtures)
struct LlamaGoldenTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let text: String
        let checkpoint: String
        var testDescription: String { text }
    }

    static let cases = [
        Case(text: "base-text", checkpoint: "mini-llama-base-st"),
        Case(text: "base-long", checkpoint: "mini-llama-base-st"),
        Case(text: "gqa-text", checkpoint: "mini-llama-gqa"),
        Case(text: "pvit-text", checkpoint: "mini-pvit"),
    ]
    static let sets = InstructionSet.allCases.filter(\.isSupported)

    private func open(_ test: Case, _ set: InstructionSet? = nil) throws -> (golden: GoldenText, model: Llama) {
        (try GoldenText(test.text), try TestModel.plain(test.checkpoint).llama(instructionSet: set))
    }

    private func cache(_ model: Llama, _ capacity: Int = 1024) throws -> KVCache {
        try KVCache(for: model.configuration, storage: .f32, capacity: capacity)
    }

    @Test("the last position's logits are the original's, with every instruction set", arguments: cases, sets)
    func lastLogits(_ test: Case, _ set: InstructionSet) throws {
        let (golden, model) = try open(test, set)
        var cache = try cache(model)
        let expected = try golden.array("prefill_logits_last").values
        var seen: [Int] = []
        try model.forward(.tokens(golden.tokens), cache: &cache) { position, logits in
            seen.append(position)
            #expect(largestDistance(logits.array, expected) < 2e-4)
        }
        #expect(seen == [golden.tokens.count - 1])
        #expect(cache.count == golden.tokens.count)
    }

    @Test("log-probabilities, perplexity and the best token of all positions are the original's", arguments: cases)
    func allLogits(_ test: Case) throws {
        let (golden, model) = try open(test)
        var cache = try cache(model)
        let best = try golden.array("prefill_argmax_all_positions").values
        var losses: [Double] = []
        var differing = 0
        try model.forward(.tokens(golden.tokens), cache: &cache, logits: .from(0)) { position, logits in
            if Float(try Sampler.argmax(logits)) != best[position] { differing += 1 }
            guard position + 1 < golden.tokens.count else { return }
            let logProbability = try LogSoftmax(logits)[logits, Int(golden.tokens[position + 1].rawValue)]
            losses.append(-logProbability)
            #expect(abs(logProbability - golden.logProbabilities[position]) < 2e-4)
        }
        #expect(losses.count == golden.tokens.count - 1)
        #expect(differing <= golden.tokens.count / 200)
        let perplexity = exp(losses.reduce(0, +) / Double(losses.count))
        #expect(abs(perplexity / golden.perplexity - 1) < 1e-4)
    }

    @Test(
        "hidden states after every layer and the first layer's cache are the original's",
        arguments: cases.filter { $0.text != "base-long" })
    func hiddenStates(_ test: Case) throws {
        let (golden, model) = try open(test)
        let configuration = model.configuration
        var cache = try cache(model)
        let expected = try golden.array("hidden_states")
        #expect(expected.shape == [configuration.layerCount + 1, golden.tokens.count, configuration.hiddenSize])
        var count = 0
        var distance: Float = 0
        let trace = HiddenStateTrace { stage, position, state in
            let entry =
                switch stage {
                case .embedding: 0
                case .layer(let index): index + 1
                case .final: configuration.layerCount
                }
            let start = (entry * golden.tokens.count + position) * configuration.hiddenSize
            let row = expected.values[start..<start + configuration.hiddenSize]
            distance = max(distance, largestDistance(state.array, row))
            count += 1
        }
        try model.forward(.tokens(golden.tokens), cache: &cache, logits: .none, trace: trace)
        #expect(count == (configuration.layerCount + 1) * golden.tokens.count)
        #expect(distance < 1e-4)

        for (file, isKey) in [("layer0_k_cache", true), ("layer0_v_cache", false)] {
            let expected = try golden.array(file)
            #expect(expected.shape == [configuration.keyValueHeadCount, golden.tokens.count, configuration.headWidth])
            var rows: [Float] = []
            for head in 0..<configuration.keyValueHeadCount {
                let start = isKey ? cache.rows.keys(layer: 0, head: head) : cache.rows.values(layer: 0, head: head)
                let width = configuration.headWidth
                rows += (0..<golden.tokens.count * width).map { index in
                    let (position, column) = index.quotientAndRemainder(dividingBy: width)
                    // Keys lie in groups of 16 positions, column by column.
                    let place = isKey ? (position / 16 * width + column) * 16 + position % 16 : index
                    return start.load(fromByteOffset: 4 * place, as: Float.self)
                }
            }
            #expect(largestDistance(rows, expected.values) < 1e-4)
        }
    }

    @Test("greedy continuations and the last step's logits are the original's", arguments: cases, sets)
    func continuation(_ test: Case, _ set: InstructionSet) throws {
        let (golden, model) = try open(test, set)
        var cache = try cache(model)
        let final = try golden.array("final_step_logits").values
        var next: TokenID = 0
        try model.forward(.tokens(golden.tokens), cache: &cache) {
            next = TokenID(exactly: try Sampler.argmax($1)) ?? 0
        }
        for (step, expected) in golden.continuation.enumerated() {
            if golden.gaps[step] > 1e-3 { #expect(next == expected, "step \(step)") }
            guard step + 1 < golden.continuation.count else { break }
            try model.forward(.tokens([expected]), cache: &cache) { _, logits in
                next = TokenID(exactly: try Sampler.argmax(logits)) ?? 0
                if step + 2 == golden.continuation.count {
                    #expect(largestDistance(logits.array, final) < 2e-4)
                }
            }
        }
    }

    @Test("embeddings give what their tokens give")
    func embeddings() throws {
        let (golden, model) = try open(Self.cases[0])
        var cache = try cache(model)
        let expected = try golden.array("prefill_logits_last").values
        let embeddings = try model.embeddings(of: golden.tokens)
        try model.forward(.embeddings(embeddings), cache: &cache) { _, logits in
            #expect(largestDistance(logits.array, expected) < 2e-4)
        }
    }
}

extension Span where Element == Float {
    var array: [Float] { withUnsafeBufferPointer { Array($0) } }
}
