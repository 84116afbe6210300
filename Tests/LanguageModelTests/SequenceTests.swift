import Architectures
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import LanguageModel

@Suite("Several sequences in one pass", .slow)
struct SequenceTests {
    static let stored: [TestModel.Matrices] = [.asStored, .quantized(.q8), .quantized(.q4)]

    /// Some tokens of a sequence, in the parts in which they are read.
    private struct Text {
        let storage: KVCache.Storage
        let parts: [[TokenID]]

        init(_ storage: KVCache.Storage, seed: Int, parts: [Int]) {
            self.storage = storage
            self.parts = parts.enumerated().map { part, count in
                (0..<count).map { TokenID(rawValue: Int32(($0 * 37 + part * 11 + seed) % 301)) }
            }
        }
    }

    private static let texts = [
        Text(.f32, seed: 1, parts: [5, 1, 1]), Text(.f16, seed: 2, parts: [1, 30, 2]),
        Text(.f32, seed: 3, parts: [270, 1, 40]), Text(.f16, seed: 4, parts: [19, 3, 300]),
    ]

    private func sequence(_ model: Llama, _ text: Text) throws -> LlamaSequence {
        LlamaSequence(
            try KVCache(
                for: model.configuration, storage: text.storage, capacity: text.parts.reduce(0) { $0 + $1.count }))
    }

    private func alone(_ model: Llama, _ text: Text) throws -> [[Float]] {
        let sequence = try sequence(model, text)
        var result: [[Float]] = []
        for part in text.parts {
            try model.forward(.tokens(part), cache: &sequence.cache, logits: .from(0)) { result.append($1.array) }
        }
        return result
    }

    @Test("each sequence gets the bits that it gets alone, whatever is beside it", arguments: stored, [1, 2])
    func sameBits(_ matrices: TestModel.Matrices, threads: Int) throws {
        let model = try TestModel.synthetic(matrices: matrices).llama(threads: threads)
        let expected = try Self.texts.map { try alone(model, $0) }
        let sequences = try Self.texts.map { try sequence(model, $0) }
        var results = Self.texts.map { _ in [[Float]]() }
        for part in 0..<3 {
            let batch = zip(sequences, Self.texts).map { SequenceInput($0, .tokens($1.parts[part]), logits: .from(0)) }
            var order: [[Int]] = []
            try model.forward(batch) { input, position, logits in
                results[input].append(logits.array)
                order.append([input, position])
            }
            #expect(order == batch.indices.flatMap { input in batch[input].input.count.indices.map { [input, $0] } })
        }
        for (result, expected) in zip(results, expected) { #expect(result == expected) }
        #expect(sequences.map { $0.cache.count } == Self.texts.map { $0.parts.reduce(0) { $0 + $1.count } })
    }

    @Test("a text gets the same bits token by token and at once", arguments: stored)
    func parts(_ matrices: TestModel.Matrices) throws {
        let model = try TestModel.synthetic(matrices: matrices).llama()
        let tokens = Self.texts[2].parts[2]
        var cache = try KVCache(for: model.configuration, capacity: tokens.count)
        var whole: [[Float]] = []
        try model.forward(.tokens(tokens), cache: &cache, logits: .from(0)) { whole.append($1.array) }
        cache.truncate(to: 0)
        for (token, expected) in zip(tokens, whole) {
            try model.forward(.tokens([token]), cache: &cache) { #expect($1.array == expected) }
        }
    }

    @Test("logits come for the positions that are asked for")
    func selection() throws {
        let model = try TestModel.synthetic().llama()
        let texts = Self.texts
        let all = try texts.map { try alone(model, $0) }
        let selections: [LogitsSelection] = [.last, .none, .from(261), .from(30)]
        let batch = try zip(texts, selections).map {
            SequenceInput(try sequence(model, $0), .tokens($0.parts[0]), logits: $1)
        }
        var given: [Int: [Int]] = [:]
        try model.forward(batch) { input, position, logits in
            given[input, default: []].append(position)
            #expect(logits.array == all[input][position])
        }
        #expect(given == [0: [4], 2: Array(261..<270)])
        // Nothing is wanted of any of them.
        try model.forward(batch.prefix(2).map { SequenceInput($0.sequence, .tokens([1]), logits: .none) }) { _, _, _ in
            Issue.record("logits that nobody asked for")
        }
        #expect(batch.map { $0.sequence.cache.count } == [6, 2, 270, 19])
    }

    @Test("a copied beginning continues as its original does", arguments: KVCache.Storage.allCases)
    func prefix(_ storage: KVCache.Storage) throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q4)).llama()
        let tokens = Self.texts[2].parts[0]
        var original = try KVCache(for: model.configuration, storage: storage, capacity: 300)
        try model.forward(.tokens(tokens), cache: &original, logits: .none)
        var copy = try KVCache(for: model.configuration, storage: storage, capacity: 90)
        try copy.copyPrefix(37, of: original)
        #expect(copy.count == 37)
        original.truncate(to: 37)
        var narrow = try KVCache(for: model.configuration, storage: storage == .f16 ? .f32 : .f16, capacity: 90)
        #expect(throws: PVITError.self) { try narrow.copyPrefix(37, of: original) }
        var expected: [Float] = []
        try model.forward(.tokens([7, 8, 9]), cache: &original) { expected = $1.array }
        try model.forward(.tokens([7, 8, 9]), cache: &copy) { #expect($1.array == expected) }
    }

    @Test("a sequence twice, a full cache and a cache of another model are errors, and nothing is read")
    func refused() throws {
        let model = try TestModel.synthetic().llama()
        let sequences = try (0..<2).map { _ in LlamaSequence(try KVCache(for: model.configuration, capacity: 4)) }
        func code(_ batch: [SequenceInput]) -> PVITError.Code? {
            #expect(throws: PVITError.self) { try model.forward(batch) }?.code
        }
        #expect(code([SequenceInput(sequences[0], .tokens([1])), SequenceInput(sequences[0], .tokens([2]))]) != nil)
        let full = [SequenceInput(sequences[0], .tokens([1])), SequenceInput(sequences[1], .tokens([1, 2, 3, 4, 5]))]
        #expect(code(full) == .contextFull)
        var json = SyntheticCheckpoint.config
        json["num_hidden_layers"] = 1
        let other = LlamaSequence(try KVCache(for: LlamaConfiguration(parsing: json), capacity: 4))
        #expect(code([SequenceInput(sequences[0], .tokens([1])), SequenceInput(other, .tokens([1]))]) == .modelCache)
        #expect(sequences.map { $0.cache.count } == [0, 0])
    }
}

extension Int {
    fileprivate var indices: Range<Int> { 0..<self }
}
