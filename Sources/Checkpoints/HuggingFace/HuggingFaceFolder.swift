import SystemPackage
import Tensors

/// Checkpoint folders as the `transformers` library lays them out, with weights in safetensors files.
enum HuggingFaceFolder {
    static let singleFileName = "model.safetensors"

    /// The files with weights in a folder, or nil when it has none that are safetensors.
    ///
    /// As in `transformers`, `model.safetensors` comes before an index. A folder without either may hold one other
    /// safetensors file, or a whole set called `…-00001-of-00003.safetensors`.
    static func weights(in folder: FilePath, entries: [String]) throws -> ShardedSource? {
        if entries.contains(singleFileName) {
            return try ShardedSource([SafetensorsFile(path: folder.appending(singleFileName))])
        }
        if entries.contains(ShardIndex.fileName) {
            let index = try ShardIndex(path: folder.appending(ShardIndex.fileName))
            try index.checkPresent(among: Set(entries))
            let source = try ShardedSource(index.files.map { try SafetensorsFile(path: folder.appending($0)) })
            try index.checkAgreement(with: source)
            return source
        }
        let files = entries.filter { $0.hasSuffix(".safetensors") }
        guard !files.isEmpty else { return nil }
        try checkSet(files, in: folder)
        return try ShardedSource(files.map { try SafetensorsFile(path: folder.appending($0)) })
    }

    /// Throws unless `files` is a single file or one whole set of numbered shards.
    private static func checkSet(_ files: [String], in folder: FilePath) throws {
        let numbered = files.map(ShardName.init)
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
                "the folder has several safetensors files and no \(ShardIndex.fileName): \(files.listed())",
                file: folder, remedy: "name the file that you mean")
        }
    }
}

/// A name such as `model-00002-of-00003.safetensors`.
private struct ShardName {
    let stem: Substring
    let number: Int
    let count: Int

    init?(_ name: String) {
        guard let match = name.wholeMatch(of: /(.*)-(\d{1,6})-of-(\d{1,6})\.safetensors/),
            let number = Int(match.2), let count = Int(match.3), (1...max(count, 1)).contains(number)
        else { return nil }
        stem = match.1
        self.number = number
        self.count = count
    }
}
