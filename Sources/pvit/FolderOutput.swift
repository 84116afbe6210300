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
    var shardSize = FolderJob.defaultShardSize

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    /// The folder, and how to write it.
    var job: FolderJob { FolderJob(output: output, shardSize: shardSize, threadCount: threads.count) }
}
