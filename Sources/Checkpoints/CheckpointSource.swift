import Storage
import SystemPackage

/// Opens checkpoints of every supported format.
package enum CheckpointSource {
    /// Opens a checkpoint: a Hugging Face folder, a Meta LLaMA folder, or a safetensors, PyTorch or GGUF file.
    ///
    /// The format is recognised by content. Nothing but headers and side files is read.
    ///
    /// - Throws: `file.not-found`, `checkpoint.format-not-readable` for known formats that are not
    ///   supported, `checkpoint.not-a-model` and `checkpoint.quantized` for files that are not a model's weights,
    ///   `checkpoint.format-unknown`, and the errors of the format.
    package static func open(_ path: FilePath) throws -> Checkpoint {
        let folder = isFolder(path) ? path : path.parentFolder
        do {
            return isFolder(path) ? try openFolder(path) : try openFile(path)
        } catch let error as PVITError where error.code == .safetensorsUnsupportedType {
            let files = try? SideFiles(in: folder, names: [SideFiles.config])
            throw QuantizedCheckpoint.explain(error, config: try? files?.object(SideFiles.config))
        }
    }

    private static func openFolder(_ folder: FilePath) throws -> Checkpoint {
        let entries = try folderEntries(folder)
        if let error = try ForeignFolder.pipeline(folder, entries: entries) { throw error }
        if let weights = try HuggingFaceFolder.weights(in: folder, entries: entries) {
            let count = weights.source.shards.count
            return try checkpoint(
                path: folder, format: count == 1 ? weights.format : "\(count) \(weights.format) shards",
                weights: weights.source, folder: folder)
        }
        if MetaFolder.isOne(entries: entries) { return try MetaFolder.open(folder, entries: entries) }
        if let name = GGUFSplit.onlyModel(among: entries) { return try openFile(folder.appending(fileNamed: name)) }
        throw try ForeignFolder.error(for: folder, entries: entries)
    }

    private static func openFile(_ path: FilePath) throws -> Checkpoint {
        if let error = TrainerState.error(for: path) { throw error }
        let kind: FileKind
        do {
            let file = try MappedFile(path: path)
            try FileKind.rejectPlaceholder(file)
            kind = try FileKind(of: file)
        }
        let file: any WeightFile
        switch kind {
        case .zipArchive, .pickle, .tarArchive: file = try TorchFile(path: path)
        case .gguf: return try GGUFCheckpoint.open(path)
        case _ where kind == .safetensors || path.extension == "safetensors": file = try SafetensorsFile(path: path)
        case .safetensors, .lfsPointer, .webPage, .empty, .unknown:
            guard path.extension != "json" else {
                throw PVITError(
                    .formatUnknown, "this is a JSON file, not the weights", file: path,
                    remedy: "give the folder that it lies in")
            }
            throw PVITError(
                .formatUnknown, kind == .empty ? "the file is empty" : "the format of this file is not known",
                file: path, remedy: "give a Hugging Face or Meta LLaMA folder, or a safetensors, PyTorch or GGUF file")
        }
        return try checkpoint(
            path: path, format: file is TorchFile ? "PyTorch" : "safetensors", weights: try ShardedSource([file]),
            folder: path.parentFolder)
    }

    private static func checkpoint(
        path: FilePath, format: String, weights: ShardedSource, folder: FilePath
    ) throws -> Checkpoint {
        do {
            return try Checkpoint(
                path: path, format: format, weights: weights, sideFiles: SideFiles(in: folder),
                sourceFiles: weights.shards.map { Checkpoint.SourceFile($0) })
        } catch let error as PVITError {
            throw SideFiles.located(error, in: folder)
        }
    }
}
