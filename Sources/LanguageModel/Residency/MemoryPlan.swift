import Architectures
import Compute
import Container
import Platform
import Storage

/// How the memory that a process may use is divided before a model starts.
///
/// Weights that do not fit are read again for each pass over the layers. Everything else has memory of its own.
package struct MemoryPlan: Sendable, Hashable {
    /// The limit for everything; nil if no limit was given and none could be detected.
    package let limit: ByteCount?
    /// The program: its code and libraries, the tokenizer, and small allocations.
    package let programByteCount: Int
    /// The most positions of a context.
    package let contextLength: Int
    /// Whether the context is shorter than the model's, to fit.
    package let isContextShortened: Bool
    /// How keys and values are stored.
    package let cacheStorage: KVCache.Storage
    /// Keys and values of all positions.
    package let cacheByteCount: Int
    /// The most tokens that go through the layers together.
    package let batchSize: Int
    /// The activations of a batch, and the scratch memory of the threads.
    package let activationByteCount: Int
    /// The most positions whose logits are computed at a time.
    package let logitsRowCount: Int
    /// The memory for the weights of the draft model; 0 if there is none. Its keys, values and activations count with
    /// those of the model.
    package let draftByteCount: Int
    /// The memory for encoding an image, before keys and values take theirs.
    package let visionByteCount: Int
    /// The memory that decoding an image file may take, before it is encoded; nil without a limit.
    package let decodingByteCount: Int?
    /// The weights that a pass over the layers multiplies by.
    package let weightByteCount: Int
    /// Where the weights are.
    package let weights: Residency

    /// The most memory that is used at a time.
    package var byteCount: Int {
        let weightBytes =
            switch weights {
            case .mapped: weightByteCount
            case .streamed(let stream): stream.pinnedByteCount + stream.windowByteCount
            }
        return programByteCount + activationByteCount + draftByteCount + weightBytes + contextByteCount
    }

    /// Keys and values, and the memory for encoding images before or beside them.
    private let contextByteCount: Int

    /// Whether the disk has to wait for free slots.
    package var isStreamShort: Bool {
        if case .streamed(let stream) = weights { stream.slotCount < Self.sufficientSlotCount } else { false }
    }

    /// Whether weights are streamed, and mapped pages are dropped after use.
    package var isTight: Bool {
        if case .streamed = weights { true } else { false }
    }

    /// Where the weights are.
    package enum Residency: Sendable, Hashable {
        /// In the mapped file, whose pages the operating system keeps in memory.
        case mapped
        /// In memory of the process's own. Some weights stay, the others are read for each pass.
        case streamed(StreamPlan)
    }

    /// How weights are read.
    package struct StreamPlan: Sendable, Hashable {
        /// The memory for weights that stay.
        package let pinnedRoomByteCount: Int
        /// The part of it that is used.
        package let pinnedByteCount: Int
        /// Weights that are read in each pass over the layers.
        package let streamedByteCount: Int
        /// The approximate size of a chunk.
        package let chunkByteCount: Int
        /// How many chunks may be in memory in addition to those that stay.
        package let slotCount: Int
        /// The memory for these chunks.
        package let windowByteCount: Int
    }

    /// The needs that a plan is made for.
    package struct Request: Sendable {
        /// The memory that the process may use; nil for all that is available.
        package var limit: ByteCount?
        /// The most positions of a context; nil for as many as the model was trained for, or fewer if they do not fit.
        package var contextLength: Int?
        /// How keys and values are stored; nil for `f16`, or `q8` if that does not fit.
        package var cacheStorage: KVCache.Storage?
        /// The number of contexts at a time.
        package var sequenceCount: Int
        /// The most tokens that go through the layers together.
        package var batchSize: Int
        /// The most positions whose logits are computed at a time.
        package var logitsRowCount: Int
        /// How many threads compute.
        package var threadCount: Int
        /// The memory for encoding an image.
        package var visionByteCount: Int
        /// The memory that the process uses already.
        package var residentByteCount: Int
        /// The draft model that runs beside the model.
        package var draft: DraftRequest?

        /// Creates a request.
        package init(
            limit: ByteCount? = nil, contextLength: Int? = nil, cacheStorage: KVCache.Storage? = nil,
            sequenceCount: Int = 1, batchSize: Int = 256, logitsRowCount: Int = Llama.largestLogitsBlock,
            threadCount: Int = 1, visionByteCount: Int = 0, residentByteCount: Int = 0
        ) {
            self.limit = limit
            self.contextLength = contextLength
            self.cacheStorage = cacheStorage
            self.sequenceCount = sequenceCount
            self.batchSize = batchSize
            self.logitsRowCount = min(logitsRowCount, Llama.largestLogitsBlock)
            self.threadCount = threadCount
            self.visionByteCount = visionByteCount
            self.residentByteCount = residentByteCount
        }
    }

    /// The needs of a draft model.
    package struct DraftRequest: Sendable {
        /// The sizes of the draft model.
        package let configuration: LlamaConfiguration
        /// The memory for its weights.
        package let weightByteCount: Int
        /// Whether some of its weights are compressed.
        package let hasCompressedWeights: Bool
        /// The memory for the probabilities of its guesses.
        package let distributionByteCount: Int

        /// Creates a request.
        package init(
            configuration: LlamaConfiguration, weightByteCount: Int, hasCompressedWeights: Bool,
            distributionByteCount: Int
        ) {
            self.configuration = configuration
            self.weightByteCount = weightByteCount
            self.hasCompressedWeights = hasCompressedWeights
            self.distributionByteCount = distributionByteCount
        }

        /// The most tokens that go through the draft model's layers together.
        package static let batchSize = 64

        /// How its keys and values are stored: shorter than the model's, because guesses are checked.
        package static func cacheStorage(_ configuration: LlamaConfiguration) -> KVCache.Storage {
            configuration.headWidth % 32 == 0 ? .q8 : .f16
        }
    }

    /// Code and libraries that are not in memory yet, and small allocations while the model runs: for a single
    /// text, and for images, for texts beside one another and what comes with these.
    private static let programReserves = (singleText: 16 << 20, others: 32 << 20)
    /// Without a limit from the user, longer contexts are counted as this long: their memory is taken as they fill.
    private static let automaticContextLength = 4096
    private static let chunkSizes = [4 << 20, 2 << 20, 1 << 20, 512 << 10]
    private static let smallestBatchSize = 32
    private static let slotCounts = 3...8
    /// As many slots keep the disk busy.
    private static let sufficientSlotCount = 6

    /// Makes a plan.
    ///
    /// - Throws: `memory.budget`, which names the smallest sufficient limit; the errors of the index.
    package init(_ request: Request, for configuration: LlamaConfiguration, in container: Container) throws {
        try self.init(
            request, for: configuration, in: container,
            available: MachineMemory.availableByteCount.map { ByteCount($0) })
    }

    init(
        _ request: Request, for configuration: LlamaConfiguration, in container: Container, available: ByteCount?
    ) throws {
        let names = LlamaArchitecture(configuration).matrices.map(\.name)
        let tensors = try names.compactMap { try container.tensor(named: $0) }
        // Without a limit from the user, there is no need to look at each tile.
        let isCompressed =
            try request.draft?.hasCompressedWeights == true || request.limit == nil
            || container.hasCompressedTiles(of: tensors)
        let scratchByteCount = ComputeEngine.scratchByteCount(
            threadCount: request.threadCount, hasFloatWeights: tensors.contains { !$0.encoding.isQuantized },
            hasCompressedWeights: isCompressed)
        let drafts = Self.drafts(request, configuration, scratchByteCount: scratchByteCount)
        let weightByteCount = tensors.reduce(0) { $0 + $1.storedByteCount }
        // Rows of separate input embeddings are used from the map here and there.
        let embedding = try configuration.tiesOutput ? nil : container.tensor(named: TensorKind.embeddingName)
        let mappedByteCount = weightByteCount + (embedding?.storedByteCount ?? 0)
        guard let limit = request.limit ?? available else {
            self.init(drafts[0], limit: nil, weightByteCount: weightByteCount, .mapped, isFit: true)
            return
        }
        let bytes = Int(clamping: limit.rawValue)
        if let draft = drafts.first(where: { $0.byteCount + mappedByteCount <= bytes }), draft.isFirstChoice {
            self.init(draft, limit: limit, weightByteCount: weightByteCount, .mapped, isFit: true)
            return
        }
        let sizes = try Self.chunkSizes.map { size in
            (size, try WeightChunks(names, in: container, chunkByteCount: size))
        }
        for draft in drafts {
            guard let plan = Self.stream(sizes, in: bytes - draft.byteCount) else { continue }
            self.init(draft, limit: limit, weightByteCount: weightByteCount, .streamed(plan), isFit: true)
            return
        }
        guard request.limit != nil else {
            // Better slow than not at all.
            self.init(drafts[0], limit: limit, weightByteCount: weightByteCount, .mapped, isFit: false)
            return
        }
        let least =
            (drafts.map { $0.byteCount }.min() ?? 0)
            + (sizes.map { $0.1.slotByteCount }.min() ?? 0) * Self.slotCounts.lowerBound
        throw PVITError(
            .memoryBudget, "the model cannot run in \(limit)",
            remedy: "give it at least \((least + (1 << 20) - 1) >> 20) MiB"
                + (request.contextLength == nil ? "" : ", or ask for a shorter --context"))
    }

    /// - Parameter isFit: Whether all of it fits into the limit.
    private init(_ draft: Draft, limit: ByteCount?, weightByteCount: Int, _ weights: Residency, isFit: Bool) {
        self.limit = limit
        programByteCount = draft.programByteCount
        contextLength = draft.contextLength
        isContextShortened = draft.isContextShortened
        cacheStorage = draft.cacheStorage
        cacheByteCount = draft.cacheByteCount
        batchSize = draft.batchSize
        activationByteCount = draft.activationByteCount
        logitsRowCount = draft.logitsRowCount
        draftByteCount = draft.draftByteCount
        visionByteCount = draft.visionByteCount
        contextByteCount = draft.contextByteCount
        self.weightByteCount = weightByteCount
        self.weights = weights
        let pinned =
            switch weights {
            // Pages of the file are given back when memory is short.
            case .mapped: isFit ? weightByteCount : 0
            case .streamed(let stream): stream.pinnedByteCount + stream.windowByteCount
            }
        let others = draft.hasOtherSequences ? draft.cacheByteCount : 0
        decodingByteCount = limit.map {
            max(
                Int(clamping: $0.rawValue) - draft.programByteCount - draft.activationByteCount
                    - draft.draftByteCount - others - pinned, 0)
        }
    }

    /// Divides `room` between chunks that stay and chunks that are read ahead; nil if it is too small.
    ///
    /// - Parameter sizes: Ways to cut the weights into chunks, the largest chunks first.
    private static func stream(_ sizes: [(Int, WeightChunks)], in room: Int) -> StreamPlan? {
        // With few slots the disk waits for the computation. Smaller chunks are better.
        let suitable = sizes.first { room / 16 >= $0.1.slotByteCount * sufficientSlotCount } ?? sizes.last
        guard let (size, chunks) = suitable, chunks.slotByteCount > 0,
            room >= chunks.slotByteCount * slotCounts.lowerBound
        else { return nil }
        let sufficient = min(room / chunks.slotByteCount, sufficientSlotCount)
        let slots = min(max(room / 16 / chunks.slotByteCount, sufficient), slotCounts.upperBound)
        let window = slots * chunks.slotByteCount
        let isPinned = chunks.pinned(within: room - window)
        let pinned = zip(chunks.chunks, isPinned).reduce(0) { $1.1 ? $0 + $1.0.blocks.count : $0 }
        return StreamPlan(
            pinnedRoomByteCount: room - window, pinnedByteCount: pinned, streamedByteCount: chunks.byteCount - pinned,
            chunkByteCount: size,
            slotCount: slots, windowByteCount: window)
    }

    /// Where the weights of a draft model are, which gets `room` bytes for them beside a model whose weights are
    /// streamed. All of them stay in memory if there is room.
    ///
    /// - Returns: nil if the room is too small.
    package static func draftResidency(
        of configuration: LlamaConfiguration, in container: Container, room: Int
    ) throws -> Residency? {
        let names = LlamaArchitecture(configuration).matrices.map(\.name)
        let sizes = try chunkSizes.map { size in
            (size, try WeightChunks(names, in: container, chunkByteCount: size))
        }
        if let (size, chunks) = sizes.first(where: { room >= $0.1.byteCount }) {
            return .streamed(
                StreamPlan(
                    pinnedRoomByteCount: chunks.byteCount, pinnedByteCount: chunks.byteCount, streamedByteCount: 0,
                    chunkByteCount: size, slotCount: slotCounts.lowerBound, windowByteCount: 0))
        }
        return stream(sizes, in: room).map { .streamed($0) }
    }

    /// Whether some matrices of a model are compressed.
    ///
    /// - Throws: The errors of the index.
    package static func hasCompressedWeights(
        _ configuration: LlamaConfiguration, in container: Container
    ) throws -> Bool {
        let names = LlamaArchitecture(configuration).matrices.map(\.name)
        return try container.hasCompressedTiles(of: names.compactMap { try container.tensor(named: $0) })
    }

    /// The memory that all weights of a draft model take where they are kept.
    package static func draftByteCount(
        of configuration: LlamaConfiguration, in container: Container
    ) throws -> Int {
        let names = LlamaArchitecture(configuration).matrices.map(\.name)
        return try WeightChunks(names, in: container, chunkByteCount: chunkSizes[0]).byteCount
    }

    /// Everything but the weights.
    private struct Draft {
        let programByteCount: Int
        let contextLength: Int
        let isContextShortened: Bool
        let cacheStorage: KVCache.Storage
        let cacheByteCount: Int
        let batchSize: Int
        let activationByteCount: Int
        let logitsRowCount: Int
        let draftByteCount: Int
        let visionByteCount: Int
        let hasOtherSequences: Bool
        let isFirstChoice: Bool

        /// An image is encoded before its own context fills, but beside other contexts.
        var contextByteCount: Int {
            hasOtherSequences ? cacheByteCount + visionByteCount : max(cacheByteCount, visionByteCount)
        }

        var byteCount: Int { programByteCount + activationByteCount + draftByteCount + contextByteCount }
    }

    /// The possible plans, the best first.
    private static func drafts(
        _ request: Request, _ configuration: LlamaConfiguration, scratchByteCount: Int
    ) -> [Draft] {
        var lengths = [request.contextLength ?? configuration.maximumPositions]
        while request.contextLength == nil, let last = lengths.last, last >= 1024 { lengths.append(last / 2) }
        let canBeShort = configuration.headWidth % 32 == 0
        var batchSizes = [max(request.batchSize, 1)]
        while let last = batchSizes.last, last >= 2 * smallestBatchSize { batchSizes.append(last / 2) }
        let isSingleText = request.sequenceCount == 1 && request.visionByteCount == 0
        let storages = request.cacheStorage.map { [$0] } ?? (canBeShort ? [.f16, .q8] : [.f16])
        return lengths.flatMap { length in
            storages.flatMap { storage in
                batchSizes.map { batch in
                    let counted = request.limit == nil ? min(length, automaticContextLength) : length
                    return Draft(
                        programByteCount: request.residentByteCount
                            + (isSingleText ? programReserves.singleText : programReserves.others),
                        contextLength: length,
                        isContextShortened: length < lengths[0], cacheStorage: storage,
                        cacheByteCount: request.sequenceCount
                            * KVCache.byteCount(configuration, storage, capacity: counted)
                            + (request.draft.map {
                                KVCache.byteCount(
                                    $0.configuration, DraftRequest.cacheStorage($0.configuration), capacity: counted)
                            } ?? 0),
                        batchSize: batch,
                        activationByteCount: LlamaState.byteCount(
                            configuration, capacity: batch, logitsRowCount: request.logitsRowCount)
                            + scratchByteCount
                            + (request.draft.map {
                                LlamaState.byteCount(
                                    $0.configuration, capacity: DraftRequest.batchSize, logitsRowCount: 1)
                                    + $0.distributionByteCount
                            } ?? 0),
                        logitsRowCount: request.logitsRowCount, draftByteCount: request.draft?.weightByteCount ?? 0,
                        visionByteCount: request.visionByteCount, hasOtherSequences: request.sequenceCount > 1,
                        isFirstChoice: length == lengths[0] && storage == storages[0] && batch == batchSizes[0])
                }
            }
        }
    }
}

extension PVITError.Code {
    /// The memory that the user allows is too little.
    package static let memoryBudget = Self("memory.budget", .usage)
}
