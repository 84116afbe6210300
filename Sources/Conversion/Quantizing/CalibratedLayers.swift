import Architectures
import Checkpoints
import Parallelism
import Platform
import Quantization
import Storage
import SystemPackage
import Tensors

/// The layers of a plan, each quantized as a whole on calibration texts and kept in a journal until the output is
/// complete.
final class CalibratedLayers {
    private let plan: QuantizePlan
    private let calibration: SecondOrderCalibration
    private let journal: CalibrationJournal?

    /// Reads the texts and, if a stopped run is continued, its journal. nil without texts, or if no matrix of a layer
    /// is quantized.
    ///
    /// - Throws: `calibrate.memory` if the sample needs more memory than it may use, what `Calibration.tokens`,
    ///   `SecondOrderCalibration` and `CalibrationJournal` throw.
    init?(
        of checkpoint: Checkpoint, _ plan: QuantizePlan, _ importance: ImportanceSource, run: Digest,
        source: any TensorSource, output: FilePath, pool: ThreadPool
    ) throws {
        guard plan.usesImportance(from: importance), case .calibration(let texts) = importance else { return nil }
        self.plan = plan
        journal = try CalibrationJournal(for: output, run: run, resumes: texts.resumes)
        let tokens = try texts.tokens(for: checkpoint, plan.configuration)
        try Self.checkMemory(plan.configuration, tokens, limit: texts.memory)
        let entries = Dictionary(uniqueKeysWithValues: plan.entries.map { ($0.tensor.name, $0) })
        @Sendable func entry(_ name: TensorName) throws -> QuantizePlan.Entry {
            guard let entry = entries[name] else {
                throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: name)
            }
            return entry
        }
        calibration = try SecondOrderCalibration(plan.configuration, tokens: tokens, pool: pool) { name, rows in
            try FloatVectors.floats(of: source, entry(name).tensor, rows: rows)
        } storage: { name in
            let entry = try entry(name)
            return SecondOrderCalibration.Storage(encoding: entry.encoding, rowsPerTile: entry.layout.rowsPerTile)
        }
    }

    private static func checkMemory(
        _ configuration: LlamaConfiguration, _ tokens: CalibrationTokens, limit: ByteCount?
    ) throws {
        let needed = SecondOrderCalibration.byteCount(configuration, tokenCount: tokens.ids.count)
        guard let available = limit?.rawValue ?? MachineMemory.availableByteCount, needed > available else { return }
        throw PVITError(
            .calibrationMemory,
            "calibration with \(tokens.ids.count) tokens needs \(ByteCount(needed)) of memory and may use "
                + "\(ByteCount(available))",
            remedy: limit == nil
                ? "use fewer tokens with --calibration-tokens" : "use fewer --calibration-tokens or more --memory")
    }

    /// The approximate size of the journal in bytes.
    var journalByteCount: UInt64 {
        journal == nil ? 0 : plan.byteCount + 2 * calibration.residuals.reduce(0) { $0 + UInt64($1.count) * 4 }
    }

    /// The tiles of a layer's quantized matrices. Layers must be requested in order.
    ///
    /// - Parameters:
    ///   - entries: The layer's tensors in the plan.
    ///   - progress: Called with the share of the layer that is done.
    func layer(
        _ number: Int, _ entries: ArraySlice<QuantizePlan.Entry>, progress: (_ share: Double) -> Void
    ) throws -> CalibrationJournal.Layer {
        if let journal, number < journal.layerCount { return try journal.savedLayer(number, entries) }
        if let journal, number == journal.layerCount, number > 0 {
            try calibration.continue(before: number, residuals: journal.savedResiduals())
        }
        let layer = try calibration.nextLayer(progress: progress)
        try journal?.save(number, layer, entries, residuals: calibration.residuals)
        return layer
    }

    /// Removes the journal, when the output is complete.
    func removeJournal() { journal?.remove(layerCount: plan.configuration.layerCount) }
}
