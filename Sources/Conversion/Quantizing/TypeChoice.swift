import Checkpoints
import Parallelism
import Storage
import Tensors

/// The types of a model's matrices, chosen by their sensitivities so that they meet a target.
struct TypeChoice {
    let allocation: BitAllocation
    /// The sensitivities, for the container's metadata.
    let record: JSONValue

    /// Measures the sensitivities, or takes them from the journal of a run that is continued.
    ///
    /// - Parameters:
    ///   - plan: The plan without the choice.
    ///   - texts: What a sample is taken from; nil for the built-in text.
    ///   - journal: Where the sensitivities are kept.
    ///   - progress: Called with the share of the work that is done.
    /// - Throws: `quantize.bits` for a target that cannot be reached, what `Sensitivities` throws, and the errors of
    ///   writing the journal.
    init(
        of checkpoint: Checkpoint, _ plan: QuantizePlan, _ target: QuantizeOptions.BitTarget, texts: Calibration?,
        journal: CalibrationJournal?, source: any TensorSource, pool: ThreadPool, progress: (_ share: Double) -> Void
    ) throws {
        let matrices = try BitAllocation.Matrices(plan.adjustableEntries, bitsPerWeight: target.bitsPerWeight)
        let sensitivities: Sensitivities
        let names = Set(matrices.names)
        if let kept = Sensitivities(parsing: journal?.sensitivities, names: names),
            kept.divergences.count == names.count
        {
            sensitivities = kept
        } else {
            sensitivities = try Sensitivities(
                of: checkpoint, plan, texts: texts ?? Calibration.builtIn(), memory: target.memory, source: source,
                pool: pool, progress: progress)
            try journal?.save(sensitivities: sensitivities.record(order: matrices.names))
        }
        allocation = matrices.allocation(by: sensitivities.divergences)
        record = sensitivities.record(order: matrices.names)
    }
}
