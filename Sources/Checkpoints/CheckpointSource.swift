import SystemPackage
import Tensors

/// Opens checkpoints of every format that is read here.
public enum CheckpointSource {
    /// Opens a checkpoint: a Hugging Face folder, a safetensors file or a GGUF file.
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
        guard let weights = try HuggingFaceFolder.weights(in: folder, entries: entries) else {
            if let name = GGUFSplit.onlyModel(among: entries) { return try openFile(folder.appending(name)) }
            throw unreadableFolder(folder, entries: entries)
        }
        let count = weights.shards.count
        return try checkpoint(
            path: folder, format: count == 1 ? "safetensors" : "\(count) safetensors shards", weights: weights,
            folder: folder)
    }

    private static func openFile(_ path: FilePath) throws -> Checkpoint {
        let kind: FileKind
        do {
            let file = try MappedFile(path: path)
            try FileKind.rejectPlaceholder(file)
            kind = try FileKind(of: file)
        }
        if kind == .gguf { return try GGUFCheckpoint.open(path) }
        if let name = kind.unreadableFormat {
            throw PVITError(
                .formatNotReadable, "this is \(name), which cannot be read yet", file: path,
                remedy: "convert it to safetensors")
        }
        guard kind == .safetensors || path.extension == "safetensors" else {
            throw PVITError(
                .formatUnknown, kind == .empty ? "the file is empty" : "this is no checkpoint of a known format",
                file: path, remedy: "give a Hugging Face folder, a safetensors file or a GGUF file")
        }
        return try checkpoint(
            path: path, format: "safetensors", weights: try ShardedSource([SafetensorsFile(path: path)]),
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
            if let name = error.file, SideFiles.names.contains(name) { located.file = folder.appending(name).string }
            throw located
        }
    }

    /// The error for a folder without safetensors files: what it has in their place.
    private static func unreadableFolder(_ folder: FilePath, entries: [String]) -> PVITError {
        let known: [(suffix: String, name: String)] = [
            (".bin", "PyTorch .bin files"), (".pth", "Meta or PyTorch .pth files"), (".pt", "PyTorch .pt files"),
            (".ckpt", "PyTorch .ckpt files"), (".h5", "TensorFlow .h5 files"),
            (".msgpack", "Flax .msgpack files"),
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
            .formatUnknown, "the folder has no safetensors files", file: folder,
            remedy: "give a Hugging Face folder, a safetensors file or a GGUF file")
    }
}

extension FileKind {
    /// What people call a format that is recognised and not read here.
    fileprivate var unreadableFormat: String? {
        switch self {
        case .zipArchive: "a PyTorch checkpoint (ZIP archive)"
        case .pickle: "a PyTorch checkpoint (pickle)"
        case .safetensors, .gguf, .lfsPointer, .webPage, .empty, .unknown: nil
        }
    }
}
