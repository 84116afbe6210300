import Architectures
import Compute
import Container
import LanguageModel
import Storage

/// How fast a model will decode with a memory plan that streams weights.
package struct PlanPrediction: Sendable, Hashable {
    /// A pass of the model.
    package let pass: PassPrediction
    /// A guess of the draft model; nil if there is none.
    package let guess: PassPrediction?
}

extension MemoryRequest {
    /// Measures the disk, in the way in which the plan's streams read it, and the memory, and predicts how fast
    /// the model will decode. Takes about a second.
    ///
    /// - Parameter plan: Made for this request.
    /// - Returns: nil if the plan streams nothing of the model, or if the file system cannot read past the page cache.
    /// - Throws: What reading and computing throw.
    package func prediction(
        with plan: MemoryPlan, for configuration: LlamaConfiguration, in container: Container, engine: ComputeEngine
    ) throws -> PlanPrediction? {
        guard
            let pass = try PassPrediction(
                measuring: plan.weights, of: configuration, in: container, engine: engine, within: plan.limit)
        else { return nil }
        guard let draft else { return PlanPrediction(pass: pass, guess: nil) }
        let weights = try MemoryPlan.draftResidency(
            of: draft.configuration, in: draft.container, room: plan.draftByteCount)
        guard case .streamed(let stream) = weights else { return PlanPrediction(pass: pass, guess: nil) }
        let reading = try weights?.measureReadingSpeed(of: draft.configuration, in: draft.container)
        return PlanPrediction(
            pass: pass,
            guess: try PassPrediction(
                streamedByteCount: stream.streamedByteCount,
                weightByteCount: stream.pinnedByteCount + stream.streamedByteCount, reading: reading ?? pass.reading,
                memoryBytesPerSecond: pass.memoryBytesPerSecond, threadCount: engine.threadCount))
    }
}
