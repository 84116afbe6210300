import Architectures
import CheckpointTestSupport
import Compute
import Container
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing
import Tokenization

@testable import LanguageModel

@Suite("Weights that do not stay in memory", .slow)
struct WeightStreamTests {
    private static let tokens: [TokenID] = [1, 38, 250, 263, 31, 127, 71, 263, 299, 300, 0]

    /// A way to write the weights of the synthetic model, a few rows in each tile so that there are many.
    enum Form: CaseIterable {
        case q4
        case q8
        case f16
        case compressedQ8
        case compressedF16

        func model() throws -> TestModel {
            switch self {
            case .q4: try .synthetic(matrices: .quantized(.q4), rowsPerTile: 16)
            case .q8: try .synthetic(matrices: .quantized(.q8), rowsPerTile: 16)
            case .f16: try .synthetic(rowsPerTile: 16)
            case .compressedQ8: try .synthetic(matrices: .quantized(.q8), compression: .zstd(level: 3), rowsPerTile: 16)
            case .compressedF16: try .synthetic(compression: .zstd(level: 3), rowsPerTile: 16)
            }
        }
    }

    /// The logits of a prompt in one go, of its last position alone, of a prompt that only fills the cache and one more
    /// token, and of single tokens.
    private func logits(_ model: Llama) throws -> [[Float]] {
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
        var result: [[Float]] = []
        func read(_ tokens: [TokenID], _ selection: LogitsSelection, _ cache: inout KVCache) throws {
            try model.forward(.tokens(tokens), cache: &cache, logits: selection) { _, logits in
                result.append(logits.array)
            }
        }
        try read(Self.tokens, .from(0), &cache)
        cache.truncate(to: 0)
        try read(Self.tokens, .last, &cache)
        cache.truncate(to: 0)
        try read(Self.tokens, .none, &cache)
        for token in Self.tokens { try read([token], .last, &cache) }
        return result
    }

    @Test(
        "what is computed does not depend on where weights are", arguments: Form.allCases, [0, 20_000, 60_000, 1 << 30])
    func equal(_ form: Form, pinnedRoom: Int) throws {
        let model = try form.model()
        let expected = try logits(model.llama(threads: 1))
        for threads in [1, 2] {
            let llama = try model.llama(threads: threads, pinnedRoom: pinnedRoom)
            #expect(try logits(llama) == expected)
        }
    }

    @Test("a prompt in several batches, of which the first ones need no logits, skips the rest of the last layer")
    func batches() throws {
        let model = try Form.q8.model()
        let expected = try logits(model.llama(threads: 1))
        let llama = try model.llama(threads: 2, pinnedRoom: 30_000, batchSize: 3)
        let found = try logits(llama)
        #expect(found.count == expected.count)
        for (ours, theirs) in zip(found, expected) { #expect(largestDistance(ours, theirs) < 1e-3) }
    }

    @Test("a pass over the layers reads what is not kept, and what is kept is read once")
    func bytesRead() throws {
        let model = try Form.q8.model()
        let chunks = try WeightChunks(
            LlamaArchitecture(model.configuration).matrices.map(\.name), in: model.container, chunkByteCount: 1)
        let isPinned = chunks.pinned(within: chunks.byteCount / 2)
        let kept = zip(chunks.chunks, isPinned).reduce(0) { $1.1 ? $0 + $1.0.blocks.count : $0 }
        #expect(kept > chunks.byteCount / 4 && kept <= chunks.byteCount / 2)

        let llama = try model.llama(threads: 2, pinnedRoom: chunks.byteCount / 2)
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
        // Embeddings are given, so that no row of them is read.
        let input = LlamaInput.embeddings(try llama.embeddings(of: [1]))
        try llama.forward(input, cache: &cache)
        let before = llama.streamStatistics.readByteCount
        for _ in 0..<10 { try llama.forward(input, cache: &cache) }
        let after = llama.streamStatistics.readByteCount
        // At most the slots of one window are ahead at one end and not at the other, and one chunk is being counted.
        let streamed = UInt64(chunks.byteCount - kept)
        let window = UInt64((TestModel.slotCount + 1) * chunks.blocksByteCount)
        #expect(after - before >= 10 * streamed - window && after - before <= 10 * streamed + window)
    }

    @Test("a damaged tile is named when it is needed, again and again")
    func damaged() throws {
        let folder = try TemporaryFolder()
        let model = try Form.q4.model()
        let name = TensorName("model.layers.1.mlp.up_proj.weight")
        let tensor = try #require(try model.container.tensor(named: name))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: model.container.path.string))
        bytes[Int(tensor.storedRange.lowerBound) + 100] ^= 4
        let path = folder.path.appending("damaged.pvq")
        try bytes.write(to: URL(fileURLWithPath: path.string))
        for pinnedRoom in [0, 1 << 30] {
            let llama = try model.llama(in: Container(opening: path), threads: 2, pinnedRoom: pinnedRoom)
            var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
            for _ in 0..<3 {
                let error = #expect(throws: PVITError.self) {
                    try llama.forward(.tokens([1]), cache: &cache)
                }
                #expect(error?.code == .tileChecksum)
                #expect(error?.tensor == name)
                #expect(error?.file == path.string)
            }
        }
    }

    @Test("a file that is cut while it is in use gives an error that names the tensor, and no signal")
    func cut() throws {
        let folder = try TemporaryFolder()
        let model = try Form.q8.model()
        let path = folder.path.appending("cut.pvq")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: model.container.path.string))
        try bytes.write(to: URL(fileURLWithPath: path.string))
        let llama = try model.llama(in: Container(opening: path), threads: 2, pinnedRoom: 0)
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
        let input = LlamaInput.embeddings(try llama.embeddings(of: [1]))
        try llama.forward(input, cache: &cache)
        let tensor = try #require(try model.container.tensor(named: "model.layers.1.mlp.gate_proj.weight"))
        #expect(truncate(path.string, Int(tensor.storedRange.lowerBound)) == 0)
        let error = #expect(throws: PVITError.self) {
            // What was read ahead may still serve for a pass.
            for _ in 0..<3 { try llama.forward(input, cache: &cache) }
        }
        #expect(error?.code == .readFailed)
        #expect(error?.tensor != nil && error?.bytes != nil && error?.file == path.string)
    }

    @Test("an error of a user's own in the middle of a text leaves a model that goes on")
    func cancelled() throws {
        struct Stop: Error {}
        let model = try Form.q4.model()
        let llama = try model.llama(threads: 2, pinnedRoom: 20_000)
        let expected = try logits(model.llama(threads: 1))
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 32)
        let trace = HiddenStateTrace { stage, _, _ in if stage == .layer(0) { throw Stop() } }
        for _ in 0..<3 {
            #expect(throws: Stop.self) { try llama.forward(.tokens(Self.tokens), cache: &cache, trace: trace) }
        }
        #expect(try logits(llama) == expected)
    }

    @Test("a stream ends while its readers wait for room")
    func ends() throws {
        let model = try Form.f16.model()
        for pinnedRoom in [0, 50_000] {
            weak var ended: Llama?
            do {
                let llama = try model.llama(threads: 1, pinnedRoom: pinnedRoom)
                ended = llama
            }
            #expect(ended == nil)
        }
    }
}

extension TestModel {
    static let slotCount = 3

    /// The model with its weights in memory of its own, as far as `pinnedRoom` goes, one tile in a chunk.
    func llama(
        in container: Container? = nil, threads: Int, pinnedRoom: Int, batchSize: Int = 256
    ) throws -> Llama {
        let plan = MemoryPlan.StreamPlan(
            pinnedRoomByteCount: pinnedRoom, pinnedByteCount: pinnedRoom, streamedByteCount: 0, chunkByteCount: 1,
            slotCount: Self.slotCount, windowByteCount: 0)
        return try Llama(
            configuration, in: container ?? self.container, engine: ComputeEngine(threadCount: threads),
            weights: .streamed(plan), batchSize: batchSize)
    }
}
