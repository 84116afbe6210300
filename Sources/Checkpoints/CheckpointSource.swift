import SystemPackage
import Tensors

/// Opens checkpoints of every format that is read here.
public enum CheckpointSource {
    /// Opens a checkpoint: a Hugging Face folder, a Meta LLaMA folder, or a safetensors, PyTorch or GGUF file.
    ///
    /// The format is recognised by content. Nothing but headers and side files is read.
    ///
    /// - Throws: `file.not-found`, `checkpoint.format-not-readable` for formats that are known and not read,
    ///   `checkpoint.format-unknown`, and the errors of the format.
    public static func open(_ path: FilePath) throws -> Checkpoint {
        isFolder(path) ? try openFolder(path) : try openFile(path)
    }

    private static func openFolder(_ folder: FilePath) throws -> Checkpoint {
        let entries = try folderEntries(folder)
        if let weights = try HuggingFaceFolder.weights(in: folder, entries: entries) {
            let count = weights.source.shards.count
            return try checkpoint(
                path: folder, format: count == 1 ? weights.format : "\(count) \(weights.format) shards",
                weights: weights.source, folder: folder)
        }
        if MetaFolder.isOne(entries: entries) { return try MetaFolder.open(folder, entries: entries) }
        if let name = GGUFSplit.onlyModel(among: entries) { return try openFile(folder.appending(fileNamed: name)) }
        throw unreadableFolder(folder, entries: entries)
    }

    private static func openFile(_ path: FilePath) throws -> Checkpoint {
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
            throw PVITError(
                .formatUnknown, kind == .empty ? "the file is empty" : "this is no checkpoint of a known format",
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
                sourceFiles: weights.shards.map {
                    Checkpoint.SourceFile(path: $0.path, byteCount: UInt64($0.byteCount))
                })
        } catch let error as PVITError {
            // A side file is known by its bare name until here.
            var located = error
            if let name = error.file, SideFiles.names.contains(name) {
                located.file = folder.appending(fileNamed: name).text
            }
            throw located
        }
    }

    /// The error for a folder without weights that can be read: what it has in their place.
    private static func unreadableFolder(_ folder: FilePath, entries: [String]) -> PVITError {
        if let file = entries.first(where: { $0.hasSuffix(".pth") || $0.hasSuffix(".pt") || $0.hasSuffix(".ckpt") }) {
            return PVITError(
                .formatUnknown, "the folder is neither a Hugging Face nor a Meta LLaMA folder, but it has \(file)",
                file: folder, remedy: "name the file itself")
        }
        let known: [(suffix: String, name: String)] = [
            (".h5", "TensorFlow .h5 files"), (".msgpack", "Flax .msgpack files"),
        ]
        if entries.contains(where: { $0.hasSuffix(".gguf") }) {
            return PVITError(
                .formatUnknown, "the folder has several GGUF models", file: folder,
                remedy: "name the file that you mean")
        }
        for (suffix, name) in known where entries.contains(where: { $0.hasSuffix(suffix) }) {
            return PVITError(
                .formatNotReadable, "the folder has weights only as \(name), which cannot be read yet", file: folder,
                remedy: "convert them to safetensors")
        }
        return PVITError(
            .formatUnknown, "the folder has no weights", file: folder,
            remedy: "give a Hugging Face or Meta LLaMA folder, or a safetensors, PyTorch or GGUF file")
    }
}
