import Architectures
import Compute
import Container
import Storage
import Tensors
import Testing

@testable import LanguageModel

@Suite("Sharing memory out")
struct MemoryPlanTests {
    private static let resident = 1_000_000

    private func plan(
        _ model: TestModel, limit: Int?, cache: KVCache.Storage? = nil, sequences: Int = 1, logits: Int = 64,
        vision: Int = 0, draft: MemoryPlan.DraftRequest? = nil, available: ByteCount? = nil
    ) throws -> MemoryPlan {
        var request = MemoryPlan.Request(
            limit: limit.map { ByteCount($0) }, cacheStorage: cache, sequenceCount: sequences, logitsRowCount: logits,
            visionByteCount: vision, residentByteCount: Self.resident)
        request.draft = draft
        return try MemoryPlan(request, for: model.configuration, in: model.container, available: available)
    }

    /// What the model's matrices take in the file.
    private func weights(_ model: TestModel) throws -> Int {
        try model.container.tensors().filter { $0.shape.rank == 2 }.reduce(0) { $0 + $1.storedByteCount }
    }

    // 2 layers of 1 key/value head of 32 numbers, 64 positions: 2 * 2 * 64 * 32 numbers of 2 bytes.
    private static let cache = 16_384
    // For each of 256 tokens 3 * 96 + 2 * 96 + 2 * 32 + 2 * 352 + 32 = 1280 floats and 96 + 96 + 352 = 544 integers of
    // 16 bits with 8 bytes for 32 of them; 64 rows of 96 + 301 floats; 1 MiB for a thread.
    private static let activations = 256 * (1280 * 4 + 544 * 9 / 4) + 64 * (96 + 301) * 4 + (1 << 20)
    // Two tiles of 512 KiB for a thread, if there may be compressed ones.
    private static let decoded = 1 << 20
    // What is in memory, and 16 MiB, or 32 MiB for images and several texts.
    private static let program = resident + (16 << 20)
    private static let more = 16 << 20
    private static let all = program + activations + cache

    @Test("weights stay in the map as long as all fits, to the byte")
    func mapped() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let whole = try plan(model, limit: Self.all + weights(model))
        #expect(whole.weights == .mapped && !whole.isTight)
        #expect(whole.cacheByteCount == Self.cache && whole.cacheStorage == .f16 && whole.contextLength == 64)
        #expect(whole.activationByteCount == Self.activations && whole.programByteCount == Self.program)
        #expect(try whole.byteCount == Self.all + weights(model))
        #expect(try plan(model, limit: Self.all + weights(model) - 1).isTight)
    }

    @Test("what stays, what is read again and what is on its way add up, within the limit")
    func streamed() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        for missing in stride(from: 1, to: 150_000, by: 10_007) {
            let limit = try Self.all + weights(model) - missing
            let plan = try plan(model, limit: limit)
            guard case .streamed(let stream) = plan.weights else {
                Issue.record("\(missing) bytes too few, and all weights fit")
                continue
            }
            let chunks = try WeightChunks(
                LlamaArchitecture(model.configuration).matrices.map(\.name), in: model.container,
                chunkByteCount: stream.chunkByteCount)
            #expect(stream.pinnedByteCount + stream.streamedByteCount == chunks.byteCount)
            #expect(stream.windowByteCount == stream.slotCount * chunks.slotByteCount)
            #expect(plan.byteCount <= limit)
        }
    }

    @Test("a limit that cannot do names one that does")
    func tooSmall() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q4))
        let error = #expect(throws: PVITError.self) { try plan(model, limit: 1 << 20) }
        #expect(error?.code == .memoryBudget)
        let least = try #require(error?.remedy?.split(separator: " ").compactMap { Int($0) }.first)
        #expect(try plan(model, limit: least << 20).byteCount <= least << 20)
        #expect(throws: PVITError.self) { try plan(model, limit: (least - 1) << 20) }
    }

    @Test("images take their room before keys and values do")
    func images() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let limit = try Self.all + Self.more + weights(model)
        let vision = Self.cache + 5000
        #expect(try plan(model, limit: limit + 5000, vision: vision).weights == .mapped)
        #expect(try plan(model, limit: limit + 4999, vision: vision).isTight)
    }

    @Test("an image is decoded in what neither weights nor activations take, with or without a limit of the user's own")
    func decoding() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let limit = try Self.all + weights(model)
        let vision = Self.cache + 5000
        #expect(try plan(model, limit: limit).decodingByteCount == Self.cache)
        #expect(try plan(model, limit: nil, available: ByteCount(limit + Self.decoded)).decodingByteCount == Self.cache)
        for missing in [0, 1, 50_000] {
            let plan = try plan(model, limit: limit + Self.more + 5000 - missing, vision: vision)
            #expect(plan.decodingByteCount ?? 0 >= vision)
        }
        #expect(try plan(model, limit: nil, available: ByteCount(1)).decodingByteCount == 0)
        #expect(try plan(model, limit: nil).decodingByteCount == nil)
    }

    @Test("logits are counted for as many positions as are computed at a time, and 64 at most")
    func logits() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        for (asked, counted) in [(1, 1), (17, 17), (64, 64), (1000, 64)] {
            let plan = try plan(model, limit: 1 << 30, logits: asked)
            #expect(plan.logitsRowCount == counted)
            #expect(plan.activationByteCount == Self.activations - (64 - counted) * (96 + 301) * 4)
        }
    }

    @Test("decoded tiles are counted if weights of the model or of its draft model are compressed")
    func compressed() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let compressed = try TestModel.synthetic(compression: .zstd)
        let plain = try TestModel.synthetic()
        let activations = try plan(plain, limit: 1 << 30).activationByteCount
        #expect(try plan(compressed, limit: 1 << 30).activationByteCount == activations + Self.decoded)
        let drafts = [false, true].map {
            MemoryPlan.DraftRequest(
                configuration: model.configuration, weightByteCount: 1, hasCompressedWeights: $0,
                distributionByteCount: 0)
        }
        let plans = try drafts.map { try plan(model, limit: 1 << 30, draft: $0) }
        #expect(plans[1].activationByteCount == plans[0].activationByteCount + Self.decoded)
    }

    @Test("several texts take more of everything")
    func sequences() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let plan = try plan(model, limit: 1 << 30, sequences: 3)
        #expect(plan.programByteCount == Self.program + Self.more && plan.cacheByteCount == 3 * Self.cache)
    }

    @Test("a draft model counts with its weights, keys and values in q8, activations and probabilities")
    func draft() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        let draft = MemoryPlan.DraftRequest(
            configuration: model.configuration, weightByteCount: 12_345, hasCompressedWeights: false,
            distributionByteCount: 678)
        let plan = try plan(model, limit: 1 << 30, draft: draft)
        #expect(plan.draftByteCount == 12_345)
        // 34 bytes for 32 numbers.
        #expect(plan.cacheByteCount == Self.cache + Self.cache / 64 * 34)
        #expect(
            plan.activationByteCount
                == Self.activations + 64 * (1280 * 4 + 544 * 9 / 4) + (96 + 301) * 4 + 678)
    }

    @Test("without a limit of the user's own the machine's counts, and too little of it is no error")
    func automatic() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8))
        #expect(try plan(model, limit: nil, available: ByteCount(1 << 40)).weights == .mapped)
        #expect(try plan(model, limit: nil).weights == .mapped)
        #expect(try plan(model, limit: nil, available: ByteCount(Self.all + Self.decoded + weights(model) - 1)).isTight)
        #expect(try plan(model, limit: nil, available: ByteCount(1)).weights == .mapped)
    }

    @Test("chunks that stay are spread evenly over the pass")
    func spread() throws {
        let model = try TestModel.synthetic(matrices: .quantized(.q8), rowsPerTile: 16)
        let chunks = try WeightChunks(
            LlamaArchitecture(model.configuration).matrices.map(\.name), in: model.container, chunkByteCount: 1)
        for share in [0.25, 0.5, 0.75] {
            let room = Int(Double(chunks.byteCount) * share)
            var (passed, kept) = (0, 0)
            for (chunk, isPinned) in zip(chunks.chunks, chunks.pinned(within: room)) {
                passed += chunk.blocks.count
                if isPinned { kept += chunk.blocks.count }
                #expect(abs(Double(kept) - Double(passed) * share) <= Double(2 * chunks.blocksByteCount))
            }
            #expect(kept <= room)
        }
        #expect(chunks.pinned(within: 0).allSatisfy { !$0 })
        #expect(chunks.pinned(within: chunks.byteCount).allSatisfy { $0 })
    }
}
