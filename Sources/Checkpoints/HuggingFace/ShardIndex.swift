import SystemPackage
import Tensors

extension PVITError.Code {
    /// The list of shards is not what it should be.
    public static let badShardIndex = Self("checkpoint.shard-index", .badData)
    /// Files that belong to the checkpoint are absent.
    public static let missingShards = Self("checkpoint.missing-shards", .missingInput)
    /// The index and the files disagree on which tensor is where.
    public static let shardMismatch = Self("checkpoint.shard-mismatch", .badData)
}

/// `model.safetensors.index.json` or `pytorch_model.bin.index.json`: which shard holds which tensor.
struct ShardIndex {
    static let fileName = "model.safetensors.index.json"

    /// Shard names by tensor.
    let fileOfTensor: [(tensor: TensorName, file: String)]
    /// The shards, each once, in the order of their names.
    let files: [String]
    private let path: FilePath

    /// - Throws: `checkpoint.shard-index`, or a JSON error.
    init(path: FilePath) throws {
        let index: JSONValue
        do {
            index = try JSONValue(parsing: try SideFiles.read(path))
        } catch let error as PVITError {
            throw error.located(file: path)
        }
        guard let members = index["weight_map"]?.object?.members else {
            throw PVITError(.badShardIndex, "the index has no object \"weight_map\"", file: path)
        }
        fileOfTensor = try members.map { member in
            let name = TensorName(member.key)
            guard let file = member.value.string, Self.isPlainName(file) else {
                throw PVITError(
                    .badShardIndex, "the file of the tensor is not the name of a file in the same folder", file: path,
                    tensor: name)
            }
            return (name, file)
        }
        files = Set(fileOfTensor.map(\.file)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !files.isEmpty else { throw PVITError(.badShardIndex, "the index lists no tensors", file: path) }
        self.path = path
    }

    /// Throws `checkpoint.missing-shards` unless all shards are among the files of the folder.
    func checkPresent(among entries: Set<String>) throws {
        let missing = files.filter { !entries.contains($0) }
        guard !missing.isEmpty else { return }
        throw PVITError(
            .missingShards, "\(missing.count) of \(files.count) shards are absent: \(missing.listed())", file: path,
            remedy: "download the missing files into the same folder")
    }

    /// Throws `checkpoint.shard-mismatch` unless the shards hold exactly what the index says.
    func checkAgreement(with source: ShardedSource) throws {
        let held = Set(source.tensors.map(\.name))
        let absent = fileOfTensor.filter { entry in
            source.shard(of: entry.tensor)?.path.lastComponent?.string != entry.file
        }
        if let first = absent.first {
            let place = source.shard(of: first.tensor)?.path.lastComponent?.string
            let where_ = place.map { "is in \($0)" } ?? "is nowhere"
            throw PVITError(
                .shardMismatch,
                "the index says that the tensor is in \(first.file), but it \(where_)"
                    + (absent.count > 1 ? "; \(absent.count) tensors are misplaced like that" : ""),
                file: path, tensor: first.tensor, remedy: "the index and the shards are not of one checkpoint")
        }
        let unlisted = held.subtracting(fileOfTensor.map(\.tensor)).sorted()
        guard unlisted.isEmpty else {
            throw PVITError(
                .shardMismatch, "the shards hold tensors that the index lacks: \(unlisted.map(\.rawValue).listed())",
                file: path, tensor: unlisted.first, remedy: "the index and the shards are not of one checkpoint")
        }
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
