import SystemPackage
import Tensors

/// Writes a checkpoint as a Hugging Face folder with safetensors files.
public struct HuggingFaceWriter: Sendable {
    /// The most bytes of tensors in one file; a single tensor may be larger.
    public let shardSize: ByteCount
    /// Bytes that are read and written at a time.
    private static let pieceByteCount = 4 << 20

    /// Creates a writer.
    ///
    /// - Parameter shardSize: By default 5 GB, as in `transformers`.
    public init(shardSize: ByteCount = ByteCount(rawValue: 5_000_000_000)) {
        self.shardSize = shardSize
    }

    /// Writes all tensors and the side files. The folder appears whole or not at all, and the same checkpoint and shard
    /// size give the same bytes.
    ///
    /// - Throws: `file.cannot-create` when there is something under this name already, `file.too-little-space`,
    ///   `work.cancelled`, `file.write-failed`, and whatever reading throws.
    public func write(_ checkpoint: Checkpoint, to path: FilePath, monitor: WorkMonitor = WorkMonitor()) throws {
        let source = checkpoint.weights
        let shards = Self.shards(of: source.tensors, limit: shardSize)
        let total = source.tensors.reduce(0) { $0 + UInt64($1.byteCount) }
        var folder = try OutputFolder(path: path)
        try DiskSpace.require(total + 64 << 20, for: path)
        var done: UInt64 = 0
        do {
            for (place, tensors) in shards.enumerated() {
                let name = Self.name(ofShard: place, of: shards.count)
                var writer = try SafetensorsWriter(path: folder.workingPath.appending(name), tensors: tensors)
                for tensor in writer.tensors {
                    try Self.copy(tensor, of: source, into: &writer) { byteCount in
                        try monitor.checkCancellation()
                        done += UInt64(byteCount)
                        monitor.report(done, total)
                    }
                }
                folder.add(try writer.finish())
            }
            if shards.count > 1 {
                try folder.add(name: ShardIndex.fileName, bytes: Self.index(of: shards, totalByteCount: total))
            }
            for name in checkpoint.sideFiles.presentNames {
                if let bytes = checkpoint.sideFiles[name] { try folder.add(name: name, bytes: bytes) }
            }
        } catch var error as PVITError {
            // The hidden folder that is written in means nothing to a reader of the message.
            if let file = error.file, file.hasPrefix(folder.workingPath.string) {
                error.file = path.string + file.dropFirst(folder.workingPath.string.count)
            }
            throw error
        }
        try folder.commit()
    }

    private static func copy(
        _ tensor: TensorDescription, of source: any TensorSource, into writer: inout SafetensorsWriter,
        afterPiece: (_ byteCount: Int) throws -> Void
    ) throws {
        guard tensor.byteCount > 0 else { return }
        let rowsPerPiece = max(1, pieceByteCount / max(tensor.bytesPerRow, 1))
        var row = 0
        while row < tensor.shape.rows {
            let rows = row..<min(row + rowsPerPiece, tensor.shape.rows)
            let bytes = try source.bytes(ofRows: rows, of: tensor)
            try writer.append(bytes.span.bytes)
            try afterPiece(bytes.count)
            row = rows.upperBound
        }
    }

    /// The tensors cut into files: a file is full when the next tensor would take it past the limit.
    private static func shards(of tensors: [TensorDescription], limit: ByteCount) -> [[TensorDescription]] {
        var shards: [[TensorDescription]] = [[]]
        var size: UInt64 = 0
        for tensor in tensors {
            let byteCount = UInt64(tensor.byteCount)
            if size > 0, size + byteCount > limit.rawValue {
                shards.append([])
                size = 0
            }
            shards[shards.count - 1].append(tensor)
            size += byteCount
        }
        return shards
    }

    private static func name(ofShard place: Int, of count: Int) -> String {
        guard count > 1 else { return HuggingFaceFolder.safetensors.singleFileName }
        func fiveDigits(_ number: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }
        return "model-\(fiveDigits(place + 1))-of-\(fiveDigits(count)).safetensors"
    }

    private static func index(of shards: [[TensorDescription]], totalByteCount: UInt64) -> [UInt8] {
        var fileOfTensor: [(TensorName, String)] = []
        for (place, tensors) in shards.enumerated() {
            let file = name(ofShard: place, of: shards.count)
            fileOfTensor += tensors.map { ($0.name, file) }
        }
        var map = JSONObject()
        for (tensor, file) in fileOfTensor.sorted(by: { $0.0 < $1.0 }) { map[tensor.rawValue] = .string(file) }
        let index: JSONValue = [
            "metadata": ["total_size": .integer(Int(clamping: totalByteCount))], "weight_map": .object(map),
        ]
        return index.encoded(indentation: 2) + [UInt8(ascii: "\n")]
    }
}
