import Architectures
import Checkpoints
import Container
import Storage
import SystemPackage

/// Opens models of every supported format: those of `CheckpointSource`, and containers.
package enum ModelSource {
    /// Opens a checkpoint folder, a checkpoint file or a container, recognised by content.
    ///
    /// Opens the language model of a container; `Tower.all(inContainer:)` opens the towers.
    ///
    /// - Throws: The errors of `CheckpointSource.open`, `CheckpointDiagnosis.requireWeights` and `Container`, of
    ///   them `container.packed-delta`.
    package static func open(_ path: FilePath) throws -> Checkpoint {
        guard !isFolder(path), path.extension != "safetensors" else { return try checkpoint(path) }
        let container: Container
        do {
            container = try Container(opening: path)
        } catch let error as PVITError where error.code == .notAContainer {
            return try checkpoint(path)
        }
        let source = try ContainerSource(container)
        let isTied = try container.metadata["model.config"]?["tie_word_embeddings"]?.bool ?? false
        let aliases = Set(try container.tensors().filter { $0.aliasOf != nil }.map(\.name))
        let names = source.tensors.map(\.name).filter { name in
            if case .tower = TensorKind(name) { return false }
            // A tied model's output layer is an alias of its embeddings, not a tensor.
            return !(isTied && name == TensorKind.outputName && aliases.contains(name))
        }
        return try Checkpoint(
            path: path, format: "pvq container", weights: SelectedSource(source, names.map { ($0, $0) }),
            sideFiles: sideFiles(of: container),
            sourceFiles: [Checkpoint.SourceFile(path: path, byteCount: UInt64(container.byteCount))])
    }

    /// Opens a delta: a packed one, or what `open` opens.
    ///
    /// The tensors of a packed delta can only be read after `DeltaMerge.merge`.
    ///
    /// - Throws: As `open`; `container.metadata-content` for a malformed packed delta.
    package static func openDelta(_ path: FilePath) throws -> Checkpoint {
        do {
            return try open(path)
        } catch let error as PVITError where error.code == .packedDelta {
            let delta = try PackedDelta(Container(opening: path, allowsPackedDelta: true))
            return try Checkpoint(
                path: path, format: "packed delta", weights: UnmergedDelta(delta: delta), sideFiles: delta.sideFiles(),
                sourceFiles: [delta.sourceFile])
        }
    }

    private static func checkpoint(_ path: FilePath) throws -> Checkpoint {
        let checkpoint = try CheckpointSource.open(path)
        try CheckpointDiagnosis.requireWeights(checkpoint)
        return checkpoint
    }

    /// The side files that a checkpoint folder would have.
    private static func sideFiles(of container: Container) throws -> SideFiles {
        var files = SideFiles()
        let metadata = try container.metadata
        let texts = [
            "model.config": SideFiles.config, "model.generation_config": SideFiles.generationConfig,
            "tokenizer.config": SideFiles.tokenizerConfig,
            "tokenizer.special_tokens_map": SideFiles.specialTokensMap,
            "tokenizer.added_tokens": SideFiles.addedTokens,
        ]
        for (key, name) in texts {
            if let value = metadata[key] { files[name] = value.encoded(indentation: 2) + [UInt8(ascii: "\n")] }
        }
        if let template = metadata["chat.template"]?.string, try files.chatTemplate() != template {
            files[SideFiles.chatTemplate] = Array(template.utf8)
        }
        for name in [SideFiles.sentencePieceModel, SideFiles.tokenizerJSON] {
            files[name] = try container.attachment(name)
        }
        return files
    }
}
