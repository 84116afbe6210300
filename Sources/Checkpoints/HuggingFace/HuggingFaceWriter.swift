import Parallelism
import Storage
import SystemPackage
import Tensors

/// Writes a checkpoint as a Hugging Face folder with safetensors files.
package struct HuggingFaceWriter: Sendable {
    /// The most bytes of tensors in one file; a file with a single tensor may be larger.
    package let shardSize: ByteCount
    /// The bytes that are read and written at a time.
    private static let chunkByteCount = 4 << 20

    /// Creates a writer.
    ///
    /// - Parameter shardSize: By default 5 GB, as in `transformers`.
    package init(shardSize: ByteCount = ByteCount(rawValue: 5_000_000_000)) {
        self.shardSize = shardSize
    }

    /// Writes all tensors and the side files. The folder appears whole or not at all, and the same checkpoint and shard
    /// size give the same bytes, whatever the number of threads.
    ///
    /// Each thread reads rows of tensors; they are written in order while the other threads read on.
    ///
    /// - Throws: `file.cannot-create` if the name exists already, `file.too-little-space`,
    ///   `torch.checksum` for damaged archives, `work.cancelled`, `file.write-failed`, and what reading throws.
    package func write(
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
                try Self.read(Self.chunks(of: shards), of: source, threadCount: threadCount) { chunk, bytes in
                    try assembler.append(bytes, toShard: chunk.shard)
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
            // The temporary folder means nothing to a reader of the message.
            if let file = error.file, file.hasPrefix(workingPath.text) {
                error.file = path.text + file.dropFirst(workingPath.text.count)
            }
            throw error
        }
        try assembler.commit()
    }

    /// Rows of a tensor, and the index of the shard that they go to.
    private struct Chunk {
        let shard: Int
        let tensor: TensorDescription
        let rows: Range<Int>
    }

    /// The chunks in the order in which they are written.
    private static func chunks(of shards: [[TensorDescription]]) -> [Chunk] {
        shards.enumerated().flatMap { shard, tensors in
            SafetensorsWriter.writingOrder(of: tensors).filter { $0.byteCount > 0 }.flatMap { tensor in
                let step = max(1, chunkByteCount / max(tensor.bytesPerRow, 1))
                return stride(from: 0, to: tensor.shape.rows, by: step).map { row in
                    Chunk(shard: shard, tensor: tensor, rows: row..<min(row + step, tensor.shape.rows))
                }
            }
        }
    }

    /// Reads chunks with several threads and passes them to `consume` in order, one at a time.
    private static func read(
        _ chunks: [Chunk], of source: any TensorSource, threadCount: Int,
        consume: @escaping (Chunk, [UInt8]) throws -> Void
    ) throws {
        let pool = ThreadPool(threadCount: threadCount)
        try pool.mapInOrder(chunks.count) { number, _ in
            let chunk = chunks[number]
            return (number: number, bytes: try source.bytes(ofRows: chunk.rows, of: chunk.tensor))
        } consume: {
            try consume(chunks[$0.number], $0.bytes)
        }
    }

    /// The tensors of each file. A file ends when the next tensor would take it past the limit.
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

    private static func name(ofShard index: Int, of count: Int) -> String {
        guard count > 1 else { return HuggingFaceFolder.safetensors.singleFileName }
        func fiveDigits(_ number: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }
        return "model-\(fiveDigits(index + 1))-of-\(fiveDigits(count)).safetensors"
    }

    private static func index(of shards: [[TensorDescription]], totalByteCount: UInt64) -> [UInt8] {
        var fileOfTensor: [(TensorName, String)] = []
        for (index, tensors) in shards.enumerated() {
            let file = name(ofShard: index, of: shards.count)
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
