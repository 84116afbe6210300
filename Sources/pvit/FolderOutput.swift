import ArgumentParser
import Checkpoints
import Conversion
import Storage
import SystemPackage
import Tensors

/// The folder that a command writes, and how.
struct FolderOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The folder to write; it must not exist or must be empty.")
    var output: FilePath

    @Option(parsing: .unconditional, help: "Start another file when one would exceed this size.")
    var shardSize = ByteCount(rawValue: 5_000_000_000)

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    /// Writes a sum or difference, after its notes.
    func write(_ result: DeltaMerge.Result, label: String) throws {
        for line in result.summary { display.note(line) }
        try writeFolder(result.checkpoint, label: label, to: output, shardSize: shardSize, threads, display)
    }
}

/// Writes a checkpoint as a Hugging Face folder with a progress line.
func writeFolder(
    _ checkpoint: Checkpoint, label: String, to output: FilePath, shardSize: ByteCount, _ threads: ThreadOptions,
    _ display: OutputOptions
) throws {
    try withProgress(label, display) { monitor in
        try HuggingFaceWriter(shardSize: shardSize).write(
            checkpoint, to: output, threadCount: threads.count, monitor: monitor)
    }
    let bytes = checkpoint.weights.tensors.reduce(0) { $0 + $1.byteCount }
    display.note("wrote \(output.readable): \(checkpoint.weights.tensors.count) tensors, \(ByteCount(bytes))")
}
