import Architectures
import Checkpoints
import Parallelism
import Quantization
import Storage
import Tensors

/// The layers of a plan, each quantized as a whole on calibration texts and kept in a journal until the output is
/// complete.
final class CalibratedLayers {
    private let plan: QuantizePlan
    private let calibration: SecondOrderCalibration
    private let journal: CalibrationJournal?

    /// Reads the texts. nil without texts, or if no matrix of a layer is quantized.
    ///
    /// - Parameter journal: What an earlier run has finished; nil if the output is a device or a pipe.
    /// - Throws: `calibrate.memory` if the sample needs more memory than it may use, what `Calibration.tokens` and
    ///   `SecondOrderCalibration` throw.
    init?(
        of checkpoint: Checkpoint, _ plan: QuantizePlan, _ importance: ImportanceSource, journal: CalibrationJournal?,
        source: any TensorSource, pool: ThreadPool
    ) throws {
        guard let texts = plan.texts(of: importance) else { return nil }
        self.plan = plan
        self.journal = journal
        let tokens = try texts.tokens(for: checkpoint, plan.configuration)
        try Calibration.requireMemory(
            SecondOrderCalibration.byteCount(plan.configuration, tokenCount: tokens.ids.count), limit: texts.memory,
            purpose: "calibration with \(tokens.ids.count) tokens"
        ) { available in
            let count = SecondOrderCalibration.tokenCount(plan.configuration, fitting: available)
            return count == 0 ? "calibrate on a machine with more memory" : "use --calibration-tokens \(count)"
        }
        let entries = Dictionary(uniqueKeysWithValues: plan.entries.map { ($0.tensor.name, $0) })
        calibration = try SecondOrderCalibration(
            plan.configuration, tokens: tokens, pool: pool, reader: plan.reader(of: source)
        ) { name in
            guard let entry = entries[name] else {
                throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: name)
            }
            return SecondOrderCalibration.Storage(encoding: entry.encoding, rowsPerTile: entry.layout.rowsPerTile)
        }
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
}
