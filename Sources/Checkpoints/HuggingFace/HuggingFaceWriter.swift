import Parallelism
import Storage
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
    /// size give the same bytes, whatever the number of threads.
    ///
    /// Each thread reads pieces of tensors; they are written in order, while the other threads read on.
    ///
    /// - Throws: `file.cannot-create` when there is something under this name already, `file.too-little-space`,
    ///   `torch.checksum` for damaged archives, `work.cancelled`, `file.write-failed`, and what reading throws.
    public func write(
        _ checkpoint: Checkpoint, to path: FilePath, threadCount: Int = 1, monitor: WorkMonitor = WorkMonitor()
    ) throws {
        let source = checkpoint.weights
        let sideFiles = try checkpoint.sideFiles.agreeingOnChatTemplate()
        let shards = Self.shards(of: source.tensors, limit: shardSize)
        let total = source.tensors.reduce(0) { $0 + UInt64($1.byteCount) }
        let folder = try OutputFolder(path: path)
        let workingPath = folder.workingPath
        try DiskSpace.require(total + 64 << 20, for: path)
        let names = shards.indices.map { Self.name(ofShard: $0, of: shards.count) }
        let assembler = ShardAssembler(folder, shards: zip(names, shards).map { (name: $0, tensors: $1) })
        do {
            var done: UInt64 = 0
            try SourceVerifier.checking(checkpoint.sourceFiles, byteCount: total) { advance in
                try Self.read(Self.pieces(of: shards), of: source, threadCount: threadCount) { piece, bytes in
                    try assembler.append(bytes, toShard: piece.shard)
                    try monitor.checkCancellation()
                    done += UInt64(bytes.count)
                    try advance(done)
                    monitor.report(done, total)
                }
            }
            try assembler.finishShards()
            if shards.count > 1 {
                try assembler.add(name: ShardIndex.fileName, bytes: Self.index(of: shards, totalByteCount: total))
            }
            for name in sideFiles.presentNames {
                if let bytes = sideFiles[name] { try assembler.add(name: name, bytes: bytes) }
            }
        } catch var error as PVITError {
            // The hidden folder that is written in means nothing to a reader of the message.
            if let file = error.file, file.hasPrefix(workingPath.text) {
                error.file = path.text + file.dropFirst(workingPath.text.count)
            }
            throw error
        }
        try assembler.commit()
    }

    /// Some rows of a tensor, and the place of the file that they go to.
    private struct Piece {
        let shard: Int
        let tensor: TensorDescription
        let rows: Range<Int>
    }

    /// What is written, in order.
    private static func pieces(of shards: [[TensorDescription]]) -> [Piece] {
        shards.enumerated().flatMap { shard, tensors in
            SafetensorsWriter.writingOrder(of: tensors).filter { $0.byteCount > 0 }.flatMap { tensor in
                let step = max(1, pieceByteCount / max(tensor.bytesPerRow, 1))
                return stride(from: 0, to: tensor.shape.rows, by: step).map { row in
                    Piece(shard: shard, tensor: tensor, rows: row..<min(row + step, tensor.shape.rows))
                }
            }
        }
    }

    /// Reads pieces with several threads and hands them to `consume` in order, one at a time.
    private static func read(
        _ pieces: [Piece], of source: any TensorSource, threadCount: Int,
        consume: @escaping (Piece, [UInt8]) throws -> Void
    ) throws {
        let pool = ThreadPool(threadCount: threadCount)
        try pool.mapInOrder(pieces.count) { number, _ in
            let piece = pieces[number]
            return (number: number, bytes: try source.bytes(ofRows: piece.rows, of: piece.tensor))
        } consume: {
            try consume(pieces[$0.number], $0.bytes)
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
