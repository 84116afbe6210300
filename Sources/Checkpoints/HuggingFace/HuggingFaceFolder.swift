import Storage
import SystemPackage
import Tensors

/// Checkpoint folders as the `transformers` library lays them out, with weights in safetensors or PyTorch files.
enum HuggingFaceFolder {
    /// The file names of weights of one format.
    struct Layout: Sendable {
        /// The readable name of the format.
        let formatName: String
        /// The name of a file with all weights.
        let singleFileName: String
        /// The name of the index of several shards.
        let indexFileName: String
        /// The suffix of files with weights.
        let suffix: String
        /// Opens such a file.
        let open: @Sendable (FilePath) throws -> any WeightFile
    }

    static let safetensors = Layout(
        formatName: "safetensors", singleFileName: "model.safetensors", indexFileName: ShardIndex.fileName,
        suffix: ".safetensors", open: { try SafetensorsFile(path: $0) })
    static let torch = Layout(
        formatName: "PyTorch", singleFileName: "pytorch_model.bin", indexFileName: "pytorch_model.bin.index.json",
        suffix: ".bin", open: { try TorchFile(path: $0) })
    /// Folders often have the same weights in both formats. safetensors come first, as in `transformers`.
    private static let layouts = [safetensors, torch]

    /// The files with weights in a folder and their format, or nil if it has none.
    ///
    /// As in `transformers`, `model.safetensors` comes before an index. A folder without either may hold one other
    /// safetensors file, or a whole set called `…-00001-of-00003.safetensors`. Likewise for `.bin`.
    static func weights(in folder: FilePath, entries: [String]) throws -> (source: ShardedSource, format: String)? {
        for layout in layouts {
            if let source = try weights(in: folder, entries: entries, layout) { return (source, layout.formatName) }
        }
        return nil
    }

    private static func weights(in folder: FilePath, entries: [String], _ layout: Layout) throws -> ShardedSource? {
        if entries.contains(layout.singleFileName) {
            return try ShardedSource([layout.open(folder.appending(fileNamed: layout.singleFileName))])
        }
        let files = entries.filter { $0.hasSuffix(layout.suffix) && !TrainerState.isOne(fileName: $0) }
        if entries.contains(layout.indexFileName) {
            let index = try ShardIndex(path: folder.appending(fileNamed: layout.indexFileName))
            try index.checkPresent(among: entries, wholeSet: wholeSet(among: files, layout))
            let source = try ShardedSource(index.files.map { try layout.open(folder.appending(fileNamed: $0)) })
            try index.checkAgreement(with: source, dispensable: dispensable(in: folder))
            return source
        }
        guard !files.isEmpty else { return nil }
        try checkSet(files, in: folder, layout)
        return try ShardedSource(files.map { try layout.open(folder.appending(fileNamed: $0)) })
    }

    /// The tensors of a tied model of which the index may list both although only one is stored.
    private static func dispensable(in folder: FilePath) throws -> Set<TensorName> {
        let files = try SideFiles(in: folder, names: [SideFiles.config])
        do {
            let isTied = try files.object(SideFiles.config)?["tie_word_embeddings"]?.bool ?? false
            return isTied ? ["model.embed_tokens.weight", "lm_head.weight"] : []
        } catch let error as PVITError {
            throw SideFiles.located(error, in: folder)
        }
    }

    /// The files of a complete numbered set, or nil.
    private static func wholeSet(among files: [String], _ layout: Layout) -> [String]? {
        let names = files.compactMap { file in ShardName(file, suffix: layout.suffix).map { (file: file, name: $0) } }
        return names.lazy.map { first in
            names.filter { $0.name.stem == first.name.stem && $0.name.count == first.name.count }
        }.first { Set($0.map(\.name.number)).count == $0[0].name.count }?.map(\.file)
    }

    /// Throws unless `files` is a single file or one complete set of numbered shards.
    private static func checkSet(_ files: [String], in folder: FilePath, _ layout: Layout) throws {
        let numbered = files.map { ShardName($0, suffix: layout.suffix) }
        let names = numbered.compactMap { $0 }
        if let first = names.first, names.count == files.count,
            names.allSatisfy({ $0.stem == first.stem && $0.count == first.count })
        {
            let present = Set(names.map(\.number))
            let missing = (1...max(first.count, 1)).lazy.filter { !present.contains($0) }.prefix(6).map(String.init)
            guard missing.isEmpty else {
                throw PVITError(
                    .missingShards,
                    "\(first.count - present.count) of \(first.count) shards are absent: numbers "
                        + missing.map { $0 }.listed(),
                    file: folder, remedy: "download the missing files into the same folder")
            }
            return
        }
        guard files.count == 1 else {
            throw PVITError(
                .formatUnknown,
                "the folder has several \(layout.formatName) files and no \(layout.indexFileName): \(files.listed())",
                file: folder, remedy: "give the file itself")
        }
    }
}

/// A name such as `model-00002-of-00003.safetensors`.
private struct ShardName {
    let stem: String
    let number: Int
    let count: Int
    private static let pattern = FileNamePattern("(.*)-([0-9]{1,6})-of-([0-9]{1,6})")

    init?(_ name: String, suffix: String) {
        guard name.hasSuffix(suffix),
            let groups = Self.pattern.groups(of: String(name.dropLast(suffix.count))),
            let number = Int(groups[1]), let count = Int(groups[2]), (1...max(count, 1)).contains(number)
        else { return nil }
        stem = groups[0]
        self.number = number
        self.count = count
    }
}
