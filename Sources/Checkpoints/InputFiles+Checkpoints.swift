import Storage
import SystemPackage

extension InputFiles {
    /// Adds the files that are read with a checkpoint or container at `path`: of a file, itself, its other shards and
    /// its side files; of a folder, all files with a checkpoint's file names.
    package mutating func add(checkpoint path: FilePath) {
        let isFolder = isFolder(path)
        let folder = isFolder ? path : path.parentFolder
        let entries = (try? folderEntries(folder)) ?? []
        let reads: (String) -> Bool
        if isFolder {
            reads = { CheckpointNames.isRead($0, fromFolderOf: entries) }
        } else {
            add(file: path)
            let name = path.name
            // A container needs no other files.
            reads = { path.extension != "pvq" && CheckpointNames.isRead($0, besideFile: name) }
        }
        add(folder: folder, reading: reads)
        for entry in entries where reads(entry) { add(file: folder.appending(fileNamed: entry)) }
        if MetaFolder.isOne(entries: entries) {
            let above = folder.appending(fileNamed: "..")
            add(folder: above) { $0 == SideFiles.sentencePieceModel }
            add(file: above.appending(fileNamed: SideFiles.sentencePieceModel))
        }
    }
}

/// The names of files that checkpoints are read from.
private enum CheckpointNames {
    private static let weightSuffixes = [".safetensors", ".bin", ".pth", ".pt"]
    private static let sideFiles =
        Set(SideFiles.names).union([SideFiles.preprocessorConfig, MetaFolder.parametersName])
        .union([HuggingFaceFolder.safetensors, HuggingFaceFolder.torch].map(\.indexFileName))

    /// Whether a file of this name is read when the folder is opened. GGUF files are read if there are no other
    /// weights.
    static func isRead(_ name: String, fromFolderOf entries: [String]) -> Bool {
        if sideFiles.contains(name) || hasWeights(name) { return true }
        return name.hasSuffix(".gguf") && !entries.contains(where: hasWeights)
    }

    /// Whether a file of this name is read when another file in the same folder is opened.
    static func isRead(_ name: String, besideFile file: String) -> Bool {
        sideFiles.contains(name) || GGUFSplit.areOneModel(name, file)
    }

    private static func hasWeights(_ name: String) -> Bool { weightSuffixes.contains { name.hasSuffix($0) } }
}
