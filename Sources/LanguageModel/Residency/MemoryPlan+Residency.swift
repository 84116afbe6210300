import Architectures
import Compute
import Container
import Tensors

extension MemoryPlan.Residency {
    /// Opens the residency of the weights. A stream starts to read at once.
    ///
    /// - Parameter names: The matrices in the order in which a pass over the layers multiplies by them.
    /// - Throws: `tensor.not-found`; the errors of opening the file once more when weights are streamed.
    func open(_ names: [TensorName], in container: Container) throws -> WeightResidency {
        guard case .streamed(let plan) = self else { return .mapped }
        let chunks = try WeightChunks(names, in: container, chunkByteCount: plan.chunkByteCount)
        return .streamed(
            try WeightStream(
                chunks, in: container, isPinned: chunks.pinned(within: plan.pinnedRoomByteCount),
                slotCount: plan.slotCount))
    }

    /// Measures how fast weights can be streamed: see `WeightStream.measureReadingSpeed`.
    ///
    /// - Returns: nil if no weights are streamed, or if the file system cannot read past the page cache.
    package func measureReadingSpeed(
        of configuration: LlamaConfiguration, in container: Container
    ) throws -> ReadingSpeed? {
        guard case .streamed(let plan) = self, plan.streamedByteCount > 0 else { return nil }
        let names = LlamaArchitecture(configuration).matrices.map(\.name)
        let chunks = try WeightChunks(names, in: container, chunkByteCount: plan.chunkByteCount)
        return try WeightStream.measureReadingSpeed(
            of: chunks, in: container, isPinned: chunks.pinned(within: plan.pinnedRoomByteCount))
    }
}
