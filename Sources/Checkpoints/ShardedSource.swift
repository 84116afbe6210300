import SystemPackage
import Tensors

extension PVITError.Code {
    /// Two files of one checkpoint hold a tensor of the same name.
    public static let duplicateTensor = Self("checkpoint.duplicate-tensor", .badData)
}

/// Several files as one source.
struct ShardedSource: TensorSource {
    let shards: [any WeightFile]
    let tensors: [TensorDescription]
    private let shardOfTensor: [TensorName: Int]

    /// - Throws: `checkpoint.duplicate-tensor` when two files hold a tensor of the same name.
    init(_ shards: [any WeightFile]) throws {
        var places: [TensorName: Int] = [:]
        for (place, shard) in shards.enumerated() {
            for tensor in shard.tensors {
                if let other = places.updateValue(place, forKey: tensor.name) {
                    throw PVITError(
                        .duplicateTensor, "the tensor is also in \(shards[other].path.name)",
                        file: shard.path, tensor: tensor.name)
                }
            }
        }
        self.shards = shards
        tensors = shards.flatMap(\.tensors)
        shardOfTensor = places
    }

    /// The file that holds a tensor, or nil.
    func shard(of name: TensorName) -> (any WeightFile)? { shardOfTensor[name].map { shards[$0] } }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        try file(of: tensor).readRows(rows, of: tensor, into: &destination)
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        try file(of: tensor).withRows(rows, of: tensor, scratch: &scratch, body)
    }

    /// The file that holds a tensor.
    private func file(of tensor: TensorDescription) throws -> any WeightFile {
        guard let shard = shard(of: tensor.name) else {
            throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name)
        }
        return shard
    }
}
