import Storage
import SystemPackage
import Tensors

extension PVITError.Code {
    /// The index of shards is malformed.
    package static let badShardIndex = Self("checkpoint.shard-index", .badData)
    /// Files that belong to the checkpoint are absent.
    package static let missingShards = Self("checkpoint.missing-shards", .missingInput)
    /// The index and the files disagree about which tensor is in which file.
    package static let shardMismatch = Self("checkpoint.shard-mismatch", .badData)
}

/// `model.safetensors.index.json` or `pytorch_model.bin.index.json`: which shard holds which tensor.
struct ShardIndex {
    static let fileName = "model.safetensors.index.json"

    /// Shard names by tensor.
    let fileOfTensor: [(tensor: TensorName, file: String)]
    /// The shards in the order of their names, without duplicates.
    let files: [String]
    private let path: FilePath

    /// - Throws: `checkpoint.shard-index`, or a JSON error.
    init(path: FilePath) throws {
        let index: JSONValue
        do {
            index = try JSONValue(parsing: try SideFiles.read(path), dialect: .python)
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        guard let members = index["weight_map"]?.object?.members else {
            throw PVITError(.badShardIndex, "the index has no object \"weight_map\"", file: path)
        }
        let prefix = WrapperPrefix(commonTo: members.map { TensorName($0.key) })
        fileOfTensor = try members.map { member in
            let name = TensorName(member.key)
            guard let file = member.value.string, Self.isPlainName(file) else {
                throw PVITError(
                    .badShardIndex, "the tensor's file name is not that of a file in the same folder", file: path,
                    tensor: name)
            }
            return (prefix.stripped(from: name), file)
        }
        files = Set(fileOfTensor.map { ExactText($0.file) }).sorted().map(\.text)
        guard !files.isEmpty else { throw PVITError(.badShardIndex, "the index lists no tensors", file: path) }
        self.path = path
    }

    /// Throws unless all shards are among the files of the folder.
    ///
    /// - Parameters:
    ///   - entries: All files of the folder.
    ///   - wholeSet: The files of a complete set of shards, if there is one.
    /// - Throws: `checkpoint.missing-shards`, or `checkpoint.shard-index` for an outdated index beside a complete set.
    func checkPresent(among entries: [String], wholeSet: [String]?) throws {
        let present = Set(entries.map { ExactText($0) })
        let missing = files.filter { !present.contains(ExactText($0)) }
        guard !missing.isEmpty else { return }
        let absence = "\(missing.count) of \(files.count) shards are absent: \(missing.listed())"
        let name = path.name
        if let wholeSet {
            throw PVITError(
                .badShardIndex,
                "the index is outdated: \(absence); but \(wholeSet.listed(2)) are a complete set without it",
                file: path,
                remedy: "delete \(name) to use that set")
        }
        throw PVITError(
            .missingShards, absence, file: path, remedy: "download the missing files into the same folder")
    }

    /// Throws `checkpoint.shard-mismatch` unless the shards hold what the index says. Tensors that are never read may
    /// be on one side only.
    ///
    /// - Parameter dispensable: Other tensors that the index may list although no shard has them.
    func checkAgreement(with source: ShardedSource, dispensable: Set<TensorName>) throws {
        let absent = fileOfTensor.filter { entry in
            if source.holds(entry.tensor, inFile: entry.file) || entry.tensor.isUnread { return false }
            return !(source.shard(of: entry.tensor) == nil && dispensable.contains(entry.tensor))
        }
        let remedy =
            "the index and the shards do not belong together: download it again, or delete "
            + "\(path.name) if the shards are complete without it"
        if let first = absent.first {
            let actualFile = source.shard(of: first.tensor)?.path.name
            let where_ = actualFile.map { "is in \($0)" } ?? "is nowhere"
            throw PVITError(
                .shardMismatch,
                "the index says that the tensor is in \(first.file), but it \(where_)"
                    + (absent.count > 1 ? "; \(absent.count) tensors are not where the index says" : ""),
                file: path, tensor: first.tensor, remedy: remedy)
        }
        let unlisted = Set(source.tensors.map(\.name)).subtracting(fileOfTensor.map(\.tensor))
            .filter { !$0.isUnread }.sorted()
        guard unlisted.isEmpty else {
            throw PVITError(
                .shardMismatch, "the shards hold tensors that the index lacks: \(unlisted.map(\.rawValue).listed())",
                file: path, tensor: unlisted.first, remedy: remedy)
        }
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
