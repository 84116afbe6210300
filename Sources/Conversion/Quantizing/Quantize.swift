import Checkpoints
import Container
import Parallelism
import Quantization
import Storage
import SystemPackage
import Tensors

/// Writes a checkpoint as a container, reading each tensor once.
package enum Quantize {
    /// A description of the output.
    package struct Report: Sendable {
        /// The plan of the conversion.
        package let plan: QuantizePlan
        /// The types that were chosen by sensitivity; nil if all matrices have one type.
        package let allocation: BitAllocation?
        /// The digest of all parameters.
        package let digest: ModelDigest
        /// The size of the file in bytes.
        package let byteCount: UInt64
    }

    /// Converts `checkpoint`, which may be a merged one, and its towers to the container `output`.
    ///
    /// Each thread reads the rows of a tile, encodes and compresses them; tiles are appended in order. Memory holds a
    /// few tiles for each thread, whatever the size of the model. The same checkpoint and options give the same bytes,
    /// whatever the number of threads. The file appears complete or not at all.
    ///
    /// - Throws: `model.is-delta` for a delta, `imatrix.other-model` for an importance matrix of another model, what
    ///   `QuantizePlan`, `CalibrationJournal`, `TypeChoice` and `CalibratedLayers` throw, `file.too-little-space`,
    ///   `quantize.*` for weights that a type cannot hold, `torch.checksum` for damaged archives, `work.cancelled`, and
    ///   the errors of reading and writing.
    package static func write(
        _ checkpoint: Checkpoint, towers: [Tower] = [], to output: FilePath, options: QuantizeOptions,
        monitor: WorkMonitor = WorkMonitor()
    ) throws -> Report {
        try CheckpointDiagnosis.requireWeights(checkpoint)
        try DeltaRecognition.requireModel(checkpoint, role: "source")
        let checkpoint = try checkpoint.resolvingOutputLayer()
        let ordinary = try QuantizePlan(for: checkpoint, towers: towers, options: options)
        let provenance = Provenance(of: checkpoint, towers: towers, options: options, plan: ordinary)
        let source = JoinedSource([checkpoint.weights] + towers.map(\.weights))
        let pool = ThreadPool(threadCount: options.threadCount, checkpoint: monitor.checkCancellation)
        let journal = try ordinary.texts(of: options.importance).flatMap { texts in
            try CalibrationJournal(for: output, run: provenance.run(of: ordinary), resumes: texts.resumes)
        }
        let progress = Progress(ordinary, measures: options.bits != nil, monitor)
        let choice = try options.bits.map { target in
            try TypeChoice(
                of: checkpoint, ordinary, target, texts: options.importance.texts, journal: journal, source: source,
                pool: pool, progress: progress.measured)
        }
        let plan = try QuantizePlan(
            for: checkpoint, towers: towers, options: options, chosen: choice?.allocation.types ?? [:])
        let layers = try CalibratedLayers(
            of: checkpoint, plan, options.importance, journal: journal, source: source, pool: pool)
        let importance = try Self.importance(from: options.importance, plan, source)
        try DiskSpace.require(
            plan.byteCount + provenance.byteCount + (layers?.journalByteCount ?? 0), for: output)
        let assembler = try ContainerAssembler(path: output, plan: plan)
        let (_, digests) = try SourceVerifier.hashing(provenance.sourceFiles) { advance in
            try convert(source, plan, layers, importance, into: assembler, pool, progress) { done in
                try monitor.checkCancellation()
                try advance(done)
            }
        }
        try monitor.checkCancellation()
        try assembler.addAttachments(of: checkpoint.sideFiles)
        let metadata = try provenance.metadata(sourceDigests: digests, sensitivities: choice?.record)
        let (digest, byteCount) = try assembler.finish(metadata: metadata)
        journal?.remove(layerCount: plan.configuration.layerCount)
        return Report(plan: plan, allocation: choice?.allocation, digest: digest, byteCount: byteCount)
    }

    /// - Parameter layers: The calibrated layers; nil without calibration.
    private static func convert(
        _ source: any TensorSource, _ plan: QuantizePlan, _ layers: CalibratedLayers?,
        _ importance: ColumnImportance, into assembler: ContainerAssembler, _ pool: ThreadPool, _ progress: Progress,
        afterTile: @escaping (_ doneByteCount: UInt64) throws -> Void
    ) throws {
        let producers = (0..<pool.threadCount).map { _ in
            Exclusive(TileProducer(source: source, importance: importance))
        }
        for section in layers == nil ? [plan.whole] : plan.sections {
            let calibrated = try section.layer.flatMap { layer in
                try layers?.layer(layer, plan.entries[section.entries]) {
                    progress.advance(to: section.doneByteCount(share: $0))
                }
            }
            let tiles = section.entries.flatMap { entry in
                (0..<plan.entries[entry].layout.tileCount).map { (entry: plan.entries[entry], tile: $0) }
            }
            try pool.mapInOrder(tiles.count) { number, worker in
                let (entry, tile) = tiles[number]
                return try producers[worker].value.tile(
                    tile, of: entry, calibrated: calibrated?[entry.tensor.name]?[tile])
            } consume: { tile in
                let done = try assembler.append(tile)
                try afterTile(done)
                progress.advance(to: done)
            } onFailure: {
                importance.abandon()
            }
        }
    }

    /// The importance of columns.
    ///
    /// - Throws: `imatrix.other-model`, and what `ImportanceMeasurement` throws.
    private static func importance(
        from chosen: ImportanceSource, _ plan: QuantizePlan, _ source: any TensorSource
    ) throws -> ColumnImportance {
        guard plan.usesImportance(from: chosen) else { return .uniform }
        switch chosen {
        case .randomTokens: break
        case .calibration: return .uniform
        case .matrix(let matrix):
            try matrix.check(plan.entries)
            return .given(matrix)
        }
        let measurement = try ImportanceMeasurement(plan.configuration, reader: plan.reader(of: source))
        return .measured(measurement)
    }
}

/// Reports progress that never goes back: a layer is calibrated before its tiles are appended.
private final class Progress {
    private let sourceByteCount: UInt64
    /// What measuring sensitivities counts as.
    private let measurement: UInt64
    private let monitor: WorkMonitor
    private var done: UInt64 = 0

    init(_ plan: QuantizePlan, measures: Bool, _ monitor: WorkMonitor) {
        sourceByteCount = plan.sourceByteCount
        measurement = measures ? sourceByteCount : 0
        self.monitor = monitor
    }

    func measured(share: Double) { report(UInt64(Double(measurement) * share)) }

    func advance(to converted: UInt64) { report(measurement + converted) }

    private func report(_ done: UInt64) {
        self.done = max(self.done, done)
        monitor.report(self.done, measurement + sourceByteCount)
    }
}

/// A value that belongs to one thread.
private final class Exclusive<Value>: @unchecked Sendable {
    // Each thread of a pool only uses the value with its own index.
    var value: Value

    init(_ value: Value) { self.value = value }
}
