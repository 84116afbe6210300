import Storage
import SystemPackage

/// The files of a split model, `NAME-00001-of-0000N.gguf`. The first one has the metadata.
enum GGUFSplit {
    /// Opens all files of the model that `path` belongs to.
    ///
    /// - Throws: `checkpoint.missing-shards`, `gguf.split` for files that do not belong together, and a file's own
    ///   errors.
    static func open(fileAt path: FilePath) throws -> [GGUFFile] {
        let file = try GGUFFile(path: path)
        guard let count = try file.integer("split.count"), count > 1 else { return [file] }
        guard let name = SplitName(path.name), name.count == count else {
            throw PVITError(
                .ggufSplit, "the file is one of \(count), but its name does not say which", file: path,
                remedy: "give the files the names that they were published under, NAME-00001-of-0000N.gguf")
        }
        let folder = path.parentFolder
        let entries = Set(try folderEntries(folder))
        let names = (1...count).map { name.sibling($0) }
        let missing = names.filter { !entries.contains($0) }
        guard missing.isEmpty else {
            throw PVITError(
                .missingShards, "\(missing.count) of \(count) files are absent: \(missing.listed())", file: path,
                remedy: "download the missing files into the same folder")
        }
        var files: [GGUFFile] = []
        for (index, fileName) in names.enumerated() {
            let opened = index + 1 == name.number ? file : try GGUFFile(path: folder.appending(fileNamed: fileName))
            guard try opened.integer("split.count") == count, try opened.integer("split.no") == index else {
                throw PVITError(
                    .ggufSplit, "the file's metadata do not say that it is file \(index + 1) of \(count)",
                    file: opened.path,
                    remedy: "the files do not belong to the same model, or were renamed")
            }
            files.append(opened)
        }
        let total = files.reduce(0) { $0 + $1.tensors.count }
        if let announced = try files[0].integer("split.tensors.count"), announced != total {
            throw PVITError(
                .ggufSplit, "the files have \(total) tensors, but the first one says \(announced)", file: files[0].path,
                remedy: "the files do not belong to the same model")
        }
        return files
    }

    /// Whether the names are those of files of the same model.
    static func areOneModel(_ name: String, _ other: String) -> Bool {
        guard let name = SplitName(name), let other = SplitName(other) else { return false }
        return name.sibling(1) == other.sibling(1)
    }

    /// The file to open for a folder's only GGUF model; nil if it has none or several.
    static func onlyModel(among entries: [String]) -> String? {
        let files = entries.filter { $0.hasSuffix(".gguf") }
        let firsts = files.filter { SplitName($0).map { $0.number == 1 } ?? true }
        return firsts.count == 1 ? firsts[0] : firsts.isEmpty && files.count == 1 ? files[0] : nil
    }
}

/// A name such as `model-00002-of-00003.gguf`.
private struct SplitName {
    let number: Int
    let count: Int
    private let stem: String
    private static let pattern = FileNamePattern(#"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf"#)

    init?(_ name: String) {
        guard let groups = Self.pattern.groups(of: name), let number = Int(groups[1]), let count = Int(groups[2]),
            count > 0, (1...count).contains(number)
        else { return nil }
        stem = groups[0]
        self.number = number
        self.count = count
    }

    /// The name of another file of the model.
    func sibling(_ number: Int) -> String {
        func fiveDigits(_ number: Int) -> String { String(String(100_000 + number).dropFirst()) }
        return "\(stem)-\(fiveDigits(number))-of-\(fiveDigits(count)).gguf"
    }
}
