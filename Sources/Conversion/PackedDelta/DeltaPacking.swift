import Architectures
import Checkpoints
import Container
import Parallelism
import Storage
import SystemPackage
import Tensors

/// Writes packed deltas.
package enum DeltaPacking {
    /// A description of the output.
    package struct Report: Sendable {
        /// The size of the file in bytes.
        package let byteCount: UInt64
        /// The digest of the fine-tuned model.
        package let digest: ModelDigest
        /// How far the tensors that the base has were moved.
        package let change: ModelChange
        /// Tensors that are stored whole, because the base has none that fits.
        package let storedWhole: [TensorName]
        /// Tensors with more rows than in the base, and the number of rows in the base.
        package let extended: [(tensor: TensorDescription, baseRows: Int)]
        /// Tensors of the base that the fine-tuned model lacks.
        package let dropped: [TensorName]
    }

    /// The decoded size of a tile, in bytes; larger than in other containers, because the coder learns anew in each.
    private static let tileByteCount = 1 << 20

    /// Writes a fine-tuned model as changes of its base. Merging the two gives its tensors and side files bit for bit.
    ///
    /// Each thread codes the rows of a tile; tiles are appended in order, so the bytes do not depend on the number of
    /// threads. Memory holds a few tiles for each thread. The file appears complete or not at all.
    ///
    /// - Throws: `model.is-delta`, what `CheckpointDiagnosis.requireWeights` throws, `file.too-little-space`,
    ///   `torch.checksum`, `work.cancelled`, and the errors of reading and writing.
    package static func write(
        base: Checkpoint, target: Checkpoint, to output: FilePath, threadCount: Int = 1,
        tool: (name: String, version: String) = ("pvit", "0"), monitor: WorkMonitor = WorkMonitor()
    ) throws -> Report {
        for (checkpoint, role) in [(base, "base"), (target, "target")] {
            try CheckpointDiagnosis.requireWeights(checkpoint)
            try DeltaRecognition.requireModel(checkpoint, role: role)
        }
        let plan = try DeltaPackingPlan(base: base, target: target, tileByteCount: tileByteCount)
        let description = try BaseDescription(
            of: plan.pairs, in: base.weights, name: base.path.lexicallyNormalized().name.escapingControlCharacters)
        try DiskSpace.require(plan.byteCount, for: output)
        let assembler = try DeltaAssembler(path: output, plan: plan)
        let files = SourceVerifier.FileGroup(
            files: base.sourceFiles.map { $0.with(role: "base") } + target.sourceFiles.map { $0.with(role: "target") },
            convertedByteCount: plan.targetByteCount)
        let (_, digests) = try SourceVerifier.hashing([files]) { advance in
            try ThreadPool(threadCount: threadCount).mapInOrder(plan.tiles.count) { number, _ in
                try DeltaTile.code(plan.tiles[number], base: base.weights, target: target.weights)
            } consume: { tile in
                let done = try assembler.append(tile)
                try monitor.checkCancellation()
                try advance(done)
                monitor.report(done, plan.targetByteCount)
            }
        }
        try monitor.checkCancellation()
        try assembler.addAttachments(of: target.sideFiles)
        var metadata = JSONObject()
        metadata["model.config"] = target.config.map { .object($0) }
        metadata[BaseDescription.key] = description.json
        metadata[ModelChange.key] = .object(assembler.changes)
        metadata["provenance.sources"] = .array(zip(files.files, digests).map { $0.record(digest: $1) })
        metadata["provenance.tool"] = ["name": .string(tool.name), "version": .string(tool.version)]
        let change = assembler.change
        let (digest, byteCount) = try assembler.finish(metadata: metadata)
        return Report(
            byteCount: byteCount, digest: digest, change: change, storedWhole: plan.storedWhole,
            extended: plan.extended, dropped: plan.dropped)
    }
}

/// The tensors and tiles of a packed delta.
struct DeltaPackingPlan: Sendable {
    /// A tensor of the target.
    struct Entry: Sendable {
        let tensor: TensorDescription
        let pair: BasePair?
        let layout: TileLayout
    }

    /// A tile of one of the entries.
    struct Tile: Sendable {
        let entry: Entry
        let number: Int
    }

    let entries: [Entry]
    let tiles: [Tile]
    /// Second names of tensors: an output layer that repeats the embeddings.
    let aliases: [(name: TensorName, target: TensorName)]
    let dropped: [TensorName]
    private let sideFilesByteCount: UInt64

    init(base: Checkpoint, target: Checkpoint, tileByteCount: Int) throws {
        let ofBase = Dictionary(base.weights.tensors.map { ($0.name, $0) }) { first, _ in first }
        var tensors = target.weights.tensors
        aliases = try Self.repeatsEmbeddings(target) ? [(TensorKind.outputName, TensorKind.embeddingName)] : []
        for alias in aliases { tensors.removeAll { $0.name == alias.name } }
        entries = try tensors.map { tensor in
            let baseTensor = ofBase[BasePair.baseName(for: tensor.name, in: ofBase)]
            let rows = max(1, min(tensor.shape.rows, tileByteCount / max(tensor.bytesPerRow, 1)))
            let isEmpty = tensor.shape.elementCount == 0
            do {
                return Entry(
                    tensor: tensor, pair: baseTensor.flatMap { BasePair(target: tensor, base: $0) },
                    layout: try TileLayout(
                        encoding: .plain(tensor.elementType), shape: tensor.shape, rowsPerTile: isEmpty ? nil : rows))
            } catch let error as PVITError { throw error.located(file: target.path, tensor: tensor.name) }
        }
        tiles = entries.flatMap { entry in (0..<entry.layout.tileCount).map { Tile(entry: entry, number: $0) } }
        let used = Set(entries.compactMap { $0.pair?.base.name })
        let names = Set(target.weights.tensors.map(\.name))
        dropped = base.weights.tensors.map(\.name).filter { !used.contains($0) && !names.contains($0) }
        sideFilesByteCount = target.sideFiles.presentNames.reduce(0) { $0 + UInt64(target.sideFiles[$1]?.count ?? 0) }
    }

    /// Whether a checkpoint stores an output layer with the same bits as its embeddings.
    private static func repeatsEmbeddings(_ checkpoint: Checkpoint) throws -> Bool {
        let weights = checkpoint.weights
        guard let output = weights.tensor(named: TensorKind.outputName),
            let embedding = weights.tensor(named: TensorKind.embeddingName)
        else { return false }
        return try TensorComparison.areEqual(embedding, in: weights, output, in: weights)
    }

    var pairs: [BasePair] { entries.compactMap(\.pair) }

    /// The size of the target's tensors in bytes.
    var targetByteCount: UInt64 { entries.reduce(0) { $0 + UInt64($1.tensor.byteCount) } }

    /// The approximate maximum size of the file in bytes.
    var byteCount: UInt64 { targetByteCount + sideFilesByteCount + UInt64(entries.count) * 1024 + 1 << 20 }

    var storedWhole: [TensorName] {
        entries.filter { $0.pair == nil && $0.tensor.shape.elementCount > 0 }.map(\.tensor.name)
    }

    var extended: [(tensor: TensorDescription, baseRows: Int)] {
        pairs.filter { $0.target.shape.rows > $0.base.shape.rows }.map { ($0.target, $0.base.shape.rows) }
    }
}
