import Checkpoints
import Storage
import SystemPackage
import Tensors

/// The provenance and configuration in a container's metadata.
struct Provenance {
    /// The files that weights come from, in the order in which they are read: the model's, then those of each tower.
    let sourceFiles: [SourceVerifier.FileGroup]
    private let checkpoint: Checkpoint
    private let towers: [Tower]
    private let options: QuantizeOptions
    /// Where the importance of columns comes from; nil if no importance is used.
    private let importance: ImportanceSource?

    init(of checkpoint: Checkpoint, towers: [Tower], options: QuantizeOptions, plan: QuantizePlan) {
        self.checkpoint = checkpoint
        self.towers = towers
        self.options = options
        importance = plan.usesImportance(from: options.importance) ? options.importance : nil
        let ofTowers = towers.map { tower in
            SourceVerifier.FileGroup(
                files: tower.sourceFiles,
                convertedByteCount: tower.storedTensors.reduce(0) { $0 + UInt64($1.byteCount) })
        }
        let towersByteCount = ofTowers.reduce(0) { $0 + $1.convertedByteCount }
        let ofModel = SourceVerifier.FileGroup(
            files: checkpoint.sourceFiles, convertedByteCount: plan.sourceByteCount - towersByteCount)
        sourceFiles = [ofModel] + ofTowers
    }

    /// The approximate maximum size of metadata and attachments, in bytes.
    var byteCount: UInt64 {
        checkpoint.sideFiles.presentNames.reduce(1 << 20) { $0 + UInt64(checkpoint.sideFiles[$1]?.count ?? 0) }
    }

    /// The container's metadata.
    ///
    /// - Parameters:
    ///   - sourceDigests: SHA-256 of `sourceFiles`.
    ///   - sensitivities: The record of the sensitivities that types were chosen by.
    /// - Throws: A JSON error that names a side file.
    func metadata(sourceDigests: [Digest], sensitivities: JSONValue?) throws -> JSONObject {
        let files = checkpoint.sideFiles
        var metadata = JSONObject()
        metadata["model.config"] = checkpoint.config.map { .object($0) }
        metadata["model.generation_config"] = try files.json(SideFiles.generationConfig)
        metadata["tokenizer.config"] = try files.json(SideFiles.tokenizerConfig)
        metadata["tokenizer.special_tokens_map"] = try files.json(SideFiles.specialTokensMap)
        metadata["tokenizer.added_tokens"] = try files.json(SideFiles.addedTokens)
        metadata["chat.template"] = try files.chatTemplate().map { .string($0) }
        for tower in towers {
            for member in tower.metadata.members { metadata[member.key] = member.value }
        }
        metadata["provenance.sources"] = .array(sources(digests: sourceDigests))
        metadata["provenance.recipe"] = .object(recipe)
        metadata[Sensitivities.key] = sensitivities
        metadata["provenance.tool"] = ["name": .string(options.tool.name), "version": .string(options.tool.version)]
        return metadata
    }

    /// Tells this conversion from another one: its plan, its options, and the sizes and times of its sources.
    func run(of plan: QuantizePlan) -> Digest {
        let run: JSONObject = [
            "recipe": .object(recipe), "version": .string(options.tool.version),
            "tensors": .array(
                plan.entries.map { entry in
                    .string("\(entry.tensor.name) \(entry.tensor.shape) \(entry.encoding) \(entry.layout.rowsPerTile)")
                }),
            "sources": .array(
                sourceFiles.flatMap(\.files).map { file in
                    [
                        .string(file.path.name), .integer(Int(clamping: file.byteCount)),
                        .integer(file.path.modificationTime ?? 0),
                    ]
                }),
        ]
        return SHA256.digest(of: JSONValue.object(run).encoded())
    }

    private func sources(digests: [Digest]) -> [JSONValue] {
        let weights = zip(sourceFiles.flatMap(\.files), digests).map { file, digest in
            file.record(digest: digest)
        }
        let others = checkpoint.sideFiles.presentNames.compactMap { name in
            checkpoint.sideFiles[name].map { bytes in
                Checkpoint.SourceFile(path: FilePath(name), byteCount: UInt64(bytes.count))
                    .record(digest: SHA256.digest(of: bytes))
            }
        }
        return weights + others
    }

    /// The options that affect the bytes of the file.
    private var recipe: JSONObject {
        var recipe: JSONObject = [
            "source": .string(checkpoint.format), "type": .string(options.type.description),
            "overrides": .array(options.overrides.map { .string($0.description) }),
            "profile": .string(options.profile.rawValue), "importance": .string(importance?.name ?? "none"),
        ]
        let isQuantized = towers.contains { !$0.quantizedNames.isEmpty }
        recipe["tower_type"] = (isQuantized ? .q8 : options.towerType).map { .string($0.rawValue) }
        recipe["bits"] = options.bits.map { .number($0.bitsPerWeight) }
        switch importance {
        case .calibration(let calibration): recipe["calibration"] = calibration.record
        case .matrix(let matrix): recipe["imatrix"] = matrix.record
        case .randomTokens, nil: break
        }
        return recipe
    }
}

extension Checkpoint.SourceFile {
    /// The description of the file in `provenance.sources`.
    func record(digest: Digest) -> JSONValue {
        var entry: JSONObject = [
            "path": .string(path.name.escapingControlCharacters), "bytes": .integer(Int(clamping: byteCount)),
            "sha256": .string(digest.description),
        ]
        entry["role"] = role.map { .string($0) }
        return .object(entry)
    }
}
