import Architectures
import Compute
import Container
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import LanguageModel

@Suite("Quantized and compressed weights", .slow)
struct QuantizedModelTests {
    private static let tokens: [TokenID] = [1, 38, 250, 263, 31, 127, 71, 263, 299, 300, 0]

    /// The logits of all positions, read at once, and those of the last position, read token by token.
    private func logits(_ model: Llama) throws -> (all: [[Float]], last: [Float]) {
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
        var all: [[Float]] = []
        try model.forward(.tokens(Self.tokens), cache: &cache, logits: .from(0)) { _, logits in all.append(logits.array)
        }
        cache.truncate(to: 0)
        var last: [Float] = []
        for token in Self.tokens {
            try model.forward(.tokens([token]), cache: &cache) { _, logits in last = logits.array }
        }
        return (all, last)
    }

    private func relativeDistance(_ left: [Float], _ right: [Float]) -> Float {
        let difference = zip(left, right).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (difference / right.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    @Test(
        "quantized weights give what the same weights as floats give, up to the rounding of activations",
        arguments: [TensorEncoding.q8, .q4], InstructionSet.allCases.filter(\.isSupported))
    func decodedWeights(_ encoding: TensorEncoding, _ set: InstructionSet) throws {
        let quantized = try logits(
            TestModel.synthetic(matrices: .quantized(encoding)).llama(instructionSet: set))
        let decoded = try logits(TestModel.synthetic(matrices: .decoded(encoding)).llama())
        for (ours, expected) in zip(quantized.all, decoded.all) { #expect(relativeDistance(ours, expected) < 0.03) }
        #expect(relativeDistance(quantized.last, decoded.last) < 0.03)
        let original = try logits(TestModel.synthetic().llama())
        let distance = relativeDistance(quantized.last, original.last)
        #expect(distance < (encoding == .q8 ? 0.05 : 0.5))
        #expect(distance > 0)
    }

    enum Variant: CaseIterable {
        case oneThread
        case threeThreads
        case smallTiles
        case compressed
        case compressedSmallTiles
    }

    @Test(
        "logits do not depend on threads, tiles and compression",
        arguments: Variant.allCases, [TestModel.Matrices.asStored, .quantized(.q8), .quantized(.q4)])
    func sameBits(_ variant: Variant, _ matrices: TestModel.Matrices) throws {
        let plain = try TestModel.synthetic(matrices: matrices)
        let expected = try logits(plain.llama(threads: 2))
        let result: (all: [[Float]], last: [Float])
        switch variant {
        case .oneThread: result = try logits(plain.llama(threads: 1))
        case .threeThreads: result = try logits(plain.llama(threads: 3))
        case .smallTiles: result = try logits(TestModel.synthetic(matrices: matrices, rowsPerTile: 48).llama())
        case .compressed:
            result = try logits(TestModel.synthetic(matrices: matrices, compression: .zstd).llama())
        case .compressedSmallTiles:
            result = try logits(
                TestModel.synthetic(matrices: matrices, compression: .zstd, rowsPerTile: 112).llama())
        }
        #expect(result.last == expected.last)
        #expect(result.all == expected.all)
        // Tokens that are read together get the bits that they get alone.
        #expect(expected.all.last == expected.last)
    }

    @Test("a container without one of the tensors, or with another shape, names it")
    func missingTensor() throws {
        let model = try TestModel.synthetic()
        let engine = try ComputeEngine(threadCount: 1)
        var json = SyntheticCheckpoint.config
        json["vocab_size"] = 302
        let larger = try LlamaConfiguration(parsing: json)
        let shape = #expect(throws: PVITError.self) { _ = try Llama(larger, in: model.container, engine: engine) }
        #expect(shape?.code == .tensorMismatch)
        #expect(shape?.tensor == "model.embed_tokens.weight")
        json = SyntheticCheckpoint.config
        json["tie_word_embeddings"] = false
        let untied = try LlamaConfiguration(parsing: json)
        let missing = #expect(throws: PVITError.self) { _ = try Llama(untied, in: model.container, engine: engine) }
        #expect(missing?.code == .tensorNotFound)
        #expect(missing?.tensor == "lm_head.weight")
    }
}
