import Architectures
import Container
import LanguageModel
import Platform
import Storage
import Vision

/// The memory that a program allows a model, and what it will use the model for.
public struct MemoryRequest: Sendable, Hashable {
    /// The limit for the whole process: its anonymous memory and the resident pages of mapped files. nil uses the free
    /// memory of the machine or of the control group.
    public var limit: ByteCount?
    /// The maximum number of positions in a context. nil leaves it to the plan, which prefers the length that the model
    /// was trained for.
    public var contextLength: Int?
    /// The type of keys and values. nil leaves it to the plan, which prefers `f16`.
    public var cacheStorage: KVCache.Storage?
    /// The number of contexts at a time.
    public var sequenceCount: Int
    /// The maximum number of tokens in one pass through the layers. Larger batches take less time per token, and more
    /// memory.
    public var batchSize: Int
    /// Whether the model will encode images.
    public var seesImages: Bool
    /// The image, if it is known already.
    public var image: ImageHeader?

    /// Creates a request.
    public init(
        limit: ByteCount? = nil, contextLength: Int? = nil, cacheStorage: KVCache.Storage? = nil,
        sequenceCount: Int = 1, batchSize: Int = 256, seesImages: Bool = false, image: ImageHeader? = nil
    ) {
        self.limit = limit
        self.contextLength = contextLength
        self.cacheStorage = cacheStorage
        self.sequenceCount = sequenceCount
        self.batchSize = batchSize
        self.seesImages = seesImages || image != nil
        self.image = image
    }

    /// Makes a memory plan. Call this when everything but the weights is in memory.
    ///
    /// - Throws: `memory.budget` if the model cannot run in that memory; `image.memory` if it could, were it not for
    ///   decoding the image.
    package func plan(
        for configuration: LlamaConfiguration, in container: Container, threadCount: Int
    ) throws -> MemoryPlan {
        // The pages read so far do not count: they can be read again.
        container.advise(.dontNeed, 0..<UInt64(container.byteCount))
        let encodingByteCount = seesImages ? try PVITVision.peakByteCount(in: container) : 0
        var request = MemoryPlan.Request(
            limit: limit, contextLength: contextLength, cacheStorage: cacheStorage,
            sequenceCount: sequenceCount, batchSize: batchSize, threadCount: threadCount,
            visionByteCount: max(encodingByteCount, image?.decodingByteCount ?? 0),
            residentByteCount: Int(clamping: ProcessStatus().residentByteCount))
        let plan: MemoryPlan
        do {
            plan = try MemoryPlan(request, for: configuration, in: container)
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
}
