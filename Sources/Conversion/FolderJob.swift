import Checkpoints
import Storage
import SystemPackage

/// Writes a checkpoint, or the sum of a base and a delta, as a Hugging Face folder, as the command line and the C
/// library ask for it.
package struct FolderJob: Sendable {
    /// The folder to write, which must not exist or must be empty.
    package var output: FilePath
    /// The maximum size of a safetensors file.
    package var shardSize: ByteCount
    /// The number of threads.
    package var threadCount: Int

    /// The default for `shardSize`.
    package static let defaultShardSize = ByteCount(rawValue: 5_000_000_000)

    /// Creates a job.
    package init(output: FilePath, shardSize: ByteCount = defaultShardSize, threadCount: Int) {
        self.output = output
        self.shardSize = shardSize
        self.threadCount = threadCount
    }

    /// Writes base + delta.
    ///
    /// - Parameters:
    ///   - note: Receives what a user should know, a line at a time.
    ///   - work: Calls its argument, which does the work, with a monitor.
    /// - Throws: `file.output-is-input`, and what opening the inputs, `DeltaMerge.merge` and `HuggingFaceWriter` throw.
    package func merge(
        base: FilePath, delta: FilePath, note: (String) -> Void, _ work: ((WorkMonitor) throws -> Void) throws -> Void
    ) throws {
        try output.requireApart(fromCheckpoints: base, delta)
        let result = try DeltaMerge.merge(base: ModelSource.open(base), delta: ModelSource.openDelta(delta))
        if let line = try Tower.leftOutNote(ofContainer: base) { note(line) }
        for line in result.summary { note(line) }
        try write(result.checkpoint, note: note, work)
    }

    /// Writes a checkpoint.
    package func write(
        _ checkpoint: Checkpoint, note: (String) -> Void, _ work: ((WorkMonitor) throws -> Void) throws -> Void
    ) throws {
        try work { monitor in
            try HuggingFaceWriter(shardSize: shardSize).write(
                checkpoint, to: output, threadCount: threadCount, monitor: monitor)
        }
        let bytes = checkpoint.weights.tensors.reduce(0) { $0 + $1.byteCount }
        note("wrote \(output.readable): \(checkpoint.weights.tensors.count) tensors, \(ByteCount(bytes))")
    }
}

extension Tower {
    /// A note that the towers in a container are not written; nil if there are none.
    package static func leftOutNote(ofContainer path: FilePath) throws -> String? {
        let towers = try all(inContainer: path)
        return towers.isEmpty ? nil : "left out: the \(towers.map(\.kind.title).joined(separator: " and the "))"
    }
}
