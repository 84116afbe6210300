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
    /// - Throws: `model.is-delta` for a delta, `quantize.calibration` for an unsuitable text, `imatrix.other-model` for
    ///   an importance matrix of another model, what `QuantizePlan` throws, `file.too-little-space`, `quantize.*` for
    ///   weights that a type cannot hold, `torch.checksum` for damaged archives, `work.cancelled`, and the errors of
    ///   reading and writing.
    package static func write(
        _ checkpoint: Checkpoint, towers: [Tower] = [], to output: FilePath, options: QuantizeOptions,
        monitor: WorkMonitor = WorkMonitor()
    ) throws -> Report {
        try CheckpointDiagnosis.requireWeights(checkpoint)
        try DeltaRecognition.requireModel(checkpoint, role: "source")
        let checkpoint = try checkpoint.resolvingOutputLayer()
        let plan = try QuantizePlan(for: checkpoint, towers: towers, options: options)
        let source = JoinedSource([checkpoint.weights] + towers.map(\.weights))
        let importance = try Self.importance(from: options.importance, plan, checkpoint, source)
        let provenance = Provenance(of: checkpoint, towers: towers, options: options, plan: plan)
        try DiskSpace.require(plan.byteCount + provenance.byteCount, for: output)
        let assembler = try ContainerAssembler(path: output, plan: plan)
        let (_, digests) = try SourceVerifier.hashing(provenance.sourceFiles) { advance in
            try convert(source, plan, importance, into: assembler, threadCount: options.threadCount) { done in
                try monitor.checkCancellation()
                try advance(done)
                monitor.report(done, plan.sourceByteCount)
            }
        }
        try monitor.checkCancellation()
        try assembler.addAttachments(of: checkpoint.sideFiles)
        let (digest, byteCount) = try assembler.finish(metadata: provenance.metadata(sourceDigests: digests))
        return Report(plan: plan, digest: digest, byteCount: byteCount)
    }

    private static func convert(
        _ source: any TensorSource, _ plan: QuantizePlan, _ importance: ColumnImportance,
        into assembler: ContainerAssembler,
        threadCount: Int,
        afterTile: @escaping (_ doneByteCount: UInt64) throws -> Void
    ) throws {
        let tiles = plan.entries.indices.flatMap { entry in
            (0..<plan.entries[entry].layout.tileCount).map { (entry: entry, tile: $0) }
        }
        let pool = ThreadPool(threadCount: threadCount)
        let producers = (0..<pool.threadCount).map { _ in
            Exclusive(TileProducer(source: source, importance: importance))
        }
        try pool.mapInOrder(tiles.count) { number, worker in
            try producers[worker].value.tile(tiles[number].tile, of: plan.entries[tiles[number].entry])
        } consume: { tile in
            try afterTile(try assembler.append(tile))
        } onFailure: {
            importance.abandon()
        }
    }

    /// The importance of columns.
    ///
    /// - Throws: `imatrix.other-model`, `quantize.calibration`, and what `ImportanceMeasurement` throws.
    private static func importance(
        from chosen: ImportanceSource, _ plan: QuantizePlan, _ checkpoint: Checkpoint, _ source: any TensorSource
    ) throws -> ColumnImportance {
        guard plan.usesImportance(from: chosen) else { return .uniform }
        let tokens: CalibrationTokens?
        switch chosen {
        case .randomTokens: tokens = nil
        case .text(let calibration): tokens = try calibration.tokens(for: checkpoint)
        case .matrix(let matrix):
            try matrix.check(plan.entries)
            return .given(matrix)
        }
        let tensors = Dictionary(uniqueKeysWithValues: plan.entries.map { ($0.tensor.name, $0.tensor) })
        let measurement = try ImportanceMeasurement(plan.configuration, tokens: tokens) { name, rows in
            guard let tensor = tensors[name] else {
                throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: name)
            }
            return try FloatVectors.floats(of: source, tensor, rows: rows)
        }
        return .measured(measurement)
    }
}

/// A value that belongs to one thread.
private final class Exclusive<Value>: @unchecked Sendable {
    // Each thread of a pool only uses the value with its own index.
    var value: Value

    init(_ value: Value) { self.value = value }
}
