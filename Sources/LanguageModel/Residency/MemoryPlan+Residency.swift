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
}
