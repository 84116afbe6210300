import Architectures
import Container
import LanguageModel
import Platform
import Storage
import Vision

/// The memory that a program allows a model, and what it will use the model for.
package struct MemoryRequest: Sendable, Hashable {
    /// The limit for the whole process: its anonymous memory and the resident pages of mapped files. nil uses the free
    /// memory of the machine or of the control group.
    package var limit: ByteCount?
    /// The maximum number of positions in a context. nil leaves it to the plan, which prefers the length that the model
    /// was trained for.
    package var contextLength: Int?
    /// The type of keys and values. nil leaves it to the plan, which prefers `f16`.
    package var cacheStorage: KVCache.Storage?
    /// The number of contexts at a time.
    package var sequenceCount: Int
    /// The maximum number of tokens in one pass through the layers. Larger batches take less time per token, and more
    /// memory.
    package var batchSize: Int
    /// The maximum number of positions whose logits are computed at a time: one, or as many as are guessed and one
    /// more.
    package var logitsRowCount: Int
    /// Whether tokens are drawn from many. At temperature 0 they are not.
    package var isSampled: Bool
    /// Whether the model will encode images.
    package var seesImages: Bool
    /// The image, if it is known already.
    package var image: ImageHeader?
    /// The draft model that guesses beside the model.
    package var draft: DraftFile?

    /// Creates a request.
    package init(
        limit: ByteCount? = nil, contextLength: Int? = nil, cacheStorage: KVCache.Storage? = nil,
        sequenceCount: Int = 1, batchSize: Int = 256, logitsRowCount: Int = Llama.largestLogitsBlock,
        isSampled: Bool = true, seesImages: Bool = false, image: ImageHeader? = nil, draft: DraftFile? = nil
    ) {
        self.limit = limit
        self.contextLength = contextLength
        self.cacheStorage = cacheStorage
        self.sequenceCount = sequenceCount
        self.batchSize = batchSize
        self.logitsRowCount = logitsRowCount
        self.isSampled = isSampled
        self.seesImages = seesImages || image != nil
        self.image = image
        self.draft = draft
    }

    /// The maximum number of positions whose logits a single answer needs at a time.
    ///
    /// - Parameter speculation: The maximum number of tokens that are guessed from repetitions.
    package static func logitsRowCount(speculation: Int?, hasDraft: Bool) -> Int {
        max(speculation ?? 0, hasDraft ? DraftPace.limit : 0) + 1
    }

    /// Makes a memory plan. Call this when everything but the weights is in memory.
    ///
    /// - Throws: `memory.budget` if the model cannot run in that memory; `image.memory` if it could, were it not for
    ///   decoding the image.
    package func plan(
        for configuration: LlamaConfiguration, in container: Container, threadCount: Int
    ) throws -> MemoryPlan {
        // The pages read so far do not count: they can be read again.
        container.releasePages()
        draft?.container.releasePages()
        // Most of the code was needed to start.
        if limit != nil { ProcessStatus.releaseProgramPages() }
        let encodingByteCount = seesImages ? try PVITVision.peakByteCount(in: container) : 0
        var request = MemoryPlan.Request(
            limit: limit, contextLength: contextLength, cacheStorage: cacheStorage,
            sequenceCount: sequenceCount, batchSize: batchSize, logitsRowCount: logitsRowCount,
            threadCount: threadCount,
            visionByteCount: max(encodingByteCount, image?.decodingByteCount ?? 0),
            residentByteCount: Int(clamping: ProcessStatus().residentByteCount))
        let plan: MemoryPlan
        do {
            plan = try makePlan(&request, for: configuration, in: container)
        } catch let error as PVITError where error.code == .memoryBudget {
            guard let image, request.visionByteCount > encodingByteCount else { throw error }
            request.visionByteCount = encodingByteCount
            let other = try MemoryPlan(request, for: configuration, in: container)
            try image.checkDecoding(in: other.decodingByteCount)
            throw error
        }
        try image?.checkDecoding(in: plan.decodingByteCount)
        if plan.isTight { container.dropPagesAfterUse() }
        return plan
    }

    /// How finely the memory for the weights of a draft model is measured out: with a small model, the megabytes that
    /// a coarser measure leaves to the model would save several times as much reading beside the guesses.
    private static let draftParts = 64

    /// Makes a plan that gives a draft model as much memory for its weights as possible: it runs several times for each
    /// pass of the model. Keys and values are stored as without a draft model, so that the answer is the same.
    private func makePlan(
        _ request: inout MemoryPlan.Request, for configuration: LlamaConfiguration, in container: Container
    ) throws -> MemoryPlan {
        guard let draft else { return try MemoryPlan(request, for: configuration, in: container) }
        request.cacheStorage = try MemoryPlan(request, for: configuration, in: container).cacheStorage
        let whole = try MemoryPlan.draftByteCount(of: draft.configuration, in: draft.container)
        let isCompressed = try MemoryPlan.hasCompressedWeights(draft.configuration, in: draft.container)
        var failure: (any Error)?
        // If no plan keeps the disk busy, one in which the model's stream is short of slots has to do.
        for acceptsShort in [false, true] {
            var found: MemoryPlan?
            // Bisection: a plan counts all tiles of the model, which takes milliseconds with large ones.
            var parts = 1..<Self.draftParts + 1
            while !parts.isEmpty {
                let part = (parts.lowerBound + parts.upperBound) / 2
                let room = whole / Self.draftParts * part + whole % Self.draftParts
                let isSufficient =
                    try MemoryPlan.draftResidency(of: draft.configuration, in: draft.container, room: room) != nil
                request.draft = MemoryPlan.DraftRequest(
                    configuration: draft.configuration, weightByteCount: room, hasCompressedWeights: isCompressed,
                    distributionByteCount: isSampled
                        ? DraftPace.limit * TokenDistribution.byteCount(draft.configuration.vocabularySize) : 0)
                var plan: MemoryPlan?
                // A small batch makes room for the weights of the draft model.
                for size in [batchSize, min(batchSize, MemoryPlan.DraftRequest.batchSize)]
                where isSufficient && plan == nil {
                    request.batchSize = size
                    do {
                        let next = try MemoryPlan(request, for: configuration, in: container)
                        if acceptsShort || !next.isStreamShort { plan = next }
                    } catch let error as PVITError where error.code == .memoryBudget { failure = error }
                }
                found = plan ?? found
                parts = plan != nil || !isSufficient ? part + 1..<parts.upperBound : parts.lowerBound..<part
            }
            if let found { return found }
        }
        if let failure { throw failure }
        return try MemoryPlan(request, for: configuration, in: container)
    }
}
