import Architectures
import Container
import LanguageModel
import Platform
import Storage
import Vision

/// What a program asks of the memory of a model that it opens.
public struct MemoryRequest: Sendable, Hashable {
    /// What the process may take in all: its own memory and the pages of mapped files that it keeps. nil takes what the
    /// machine, or the control group, has.
    public var limit: ByteCount?
    /// The most positions of a context; nil leaves it to the plan, which prefers as many as the model was trained for.
    public var contextLength: Int?
    /// How keys and values are stored; nil leaves it to the plan, which prefers `f16`.
    public var cacheStorage: KVCache.Storage?
    /// How many contexts there are at a time.
    public var sequenceCount: Int
    /// The most tokens that shall go through the layers together: more take less time for each, and more memory.
    public var batchSize: Int
    /// Whether the model will be asked about images.
    public var seesImages: Bool
    /// The image that it will be asked about, as far as that is known.
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

    /// Shares memory out when all but the weights is in memory already.
    ///
    /// - Throws: `memory.budget` when the model cannot run in that memory; `image.memory` when it could if the image
    ///   took less memory while it is decoded.
    public func plan(
        for configuration: LlamaConfiguration, in container: Container, threadCount: Int
    ) throws -> MemoryPlan {
        // What was read of the file so far can be read again.
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
