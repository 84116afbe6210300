import Storage
import SystemPackage
import Tensors

extension PVITError.Code {
    /// Two files of one checkpoint hold different tensors of the same name.
    package static let duplicateTensor = Self("checkpoint.duplicate-tensor", .badData)
}

/// Several files as one source, with the names that the tensors have in the model itself (`WrapperPrefix`).
struct ShardedSource: TensorSource {
    let shards: [any WeightFile]
    let tensors: [TensorDescription]
    private let fileNames: [String]
    private let origins: [TensorName: Origin]
    /// The other files that hold a tensor, for tensors that several files hold.
    private let copies: [TensorName: [Int]]

    /// The file that holds a tensor, and its description there.
    private struct Origin {
        let shard: Int
        let tensor: TensorDescription
    }

    /// Lists the tensors. If several files hold the same tensor with the same bytes, the first one is used.
    ///
    /// - Throws: `checkpoint.duplicate-tensor` when two files hold a tensor of the same name with different contents.
    init(_ shards: [any WeightFile]) throws {
        let prefix = WrapperPrefix(commonTo: shards.flatMap { $0.tensors.map(\.name) })
        var tensors: [TensorDescription] = []
        var origins: [TensorName: Origin] = [:]
        var copies: [TensorName: [Int]] = [:]
        for (index, shard) in shards.enumerated() {
            for tensor in shard.tensors {
                let name = prefix.stripped(from: tensor.name)
                if let first = origins[name] {
                    try Self.checkEqual(tensor, in: shard, first.tensor, in: shards[first.shard])
                    copies[name, default: []].append(index)
                    continue
                }
                origins[name] = Origin(shard: index, tensor: tensor)
                tensors.append(
                    try TensorDescription(name: name, elementType: tensor.elementType, shape: tensor.shape))
            }
        }
        self.shards = shards
        fileNames = shards.map(\.path.name)
        self.tensors = tensors
        self.origins = origins
        self.copies = copies
    }

    private static func checkEqual(
        _ tensor: TensorDescription, in file: any WeightFile, _ other: TensorDescription,
        in otherFile: any WeightFile
    ) throws {
        if try TensorComparison.areEqual(tensor, in: file, other, in: otherFile) { return }
        throw PVITError(
            .duplicateTensor,
            "the tensor is also in \(otherFile.path.name), and the two differ",
            file: file.path, tensor: tensor.name,
            remedy: "the files are not of one checkpoint: download it again into an empty folder")
    }

    /// The first file that holds a tensor, or nil.
    func shard(of name: TensorName) -> (any WeightFile)? { origins[name].map { shards[$0.shard] } }

    /// Whether a tensor is in the file of this name.
    func holds(_ name: TensorName, inFile fileName: String) -> Bool {
        guard let origin = origins[name] else { return false }
        return ([origin.shard] + copies[name, default: []]).contains { fileNames[$0].hasSameBytes(as: fileName) }
    }

    func readRows(
        _ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan
    ) throws {
        let (file, original) = try original(of: tensor)
        try file.readRows(rows, of: original, into: &destination)
    }

    func withRows<Result>(
        _ rows: Range<Int>, of tensor: TensorDescription, scratch: inout [UInt8], _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        let (file, original) = try original(of: tensor)
        return try file.withRows(rows, of: original, scratch: &scratch, body)
    }

    /// The file that holds a tensor, and its description there.
    private func original(of tensor: TensorDescription) throws -> (file: any WeightFile, tensor: TensorDescription) {
        guard let origin = origins[tensor.name], origin.tensor.shape == tensor.shape,
            origin.tensor.elementType == tensor.elementType
        else { throw PVITError(.tensorNotFound, "the checkpoint holds no such tensor", tensor: tensor.name) }
        return (shards[origin.shard], origin.tensor)
    }
}
