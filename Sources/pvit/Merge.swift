import ArgumentParser
import Checkpoints
import Conversion
import Storage
import SystemPackage
import Tensors

/// `pvit merge`: base + delta as a Hugging Face folder.
struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add a delta to its base and write the result as a Hugging Face folder (safetensors).",
        discussion: """
            The result equals that of the authors' own script, bit for bit: base and delta are cast to float16, added, \
            and rounded to float16, whatever their types. Tensors are processed in ranges of rows, so memory does not \
            grow with the model.

            Example:
              pvit merge llama-7b pvit-delta --output pvit-7b
            """)

    @Argument(help: ArgumentHelp("The base: \(checkpointFormats), or a .pvq file."))
    var base: FilePath

    @Argument(help: "The delta, in any of these formats.")
    var delta: FilePath

    @Option(name: .shortAndLong, help: "The folder to write; it must not exist or must be empty.")
    var output: FilePath

    @Option(parsing: .unconditional, help: "Start another file when one would exceed this size.")
    var shardSize = ByteCount(rawValue: 5_000_000_000)

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    func run() throws {
        try output.requireApart(fromCheckpoints: base, delta)
        let result = try DeltaMerge.merge(base: ModelSource.open(base), delta: ModelSource.open(delta))
        display.noteLeftOut(try Tower.all(inContainer: base))
        for line in result.summary { display.note(line) }
        try writeFolder(result.checkpoint, label: "merging", to: output, shardSize: shardSize, threads, display)
    }
}

/// `pvit delta`: target - base as a Hugging Face folder.
struct Delta: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Subtract a base from a fine-tuned model: the inverse of merge.",
        discussion: """
            Base and target are cast to float16, because merge adds in float16.

            Example:
              pvit delta llama-7b my-pvit-7b --output my-delta
            """)

    @Argument(help: ArgumentHelp("The base: \(checkpointFormats), or a .pvq file."))
    var base: FilePath

    @Argument(help: "The fine-tuned model, in any of these formats.")
    var target: FilePath

    @Option(name: .shortAndLong, help: "The folder to write; it must not exist or must be empty.")
    var output: FilePath

    @Option(parsing: .unconditional, help: "Start another file when one would exceed this size.")
    var shardSize = ByteCount(rawValue: 5_000_000_000)

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    func run() throws {
        try output.requireApart(fromCheckpoints: base, target)
        let result = try DeltaMerge.difference(base: ModelSource.open(base), target: ModelSource.open(target))
        for line in result.summary { display.note(line) }
        try writeFolder(result.checkpoint, label: "subtracting", to: output, shardSize: shardSize, threads, display)
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

extension DeltaMerge.Result {
    /// Notes on the sum or difference, one line each.
    var summary: [String] {
        var lines: [String] = []
        for (tensor, baseRows) in extended {
            lines.append(
                "\(tensor.name): the base has \(baseRows) of \(tensor.shape.rows) rows; the others are the delta's")
        }
        if !passedThrough.isEmpty {
            lines.append(
                "copied, because the base lacks them: \(passedThrough.map(\.rawValue).joined(separator: ", "))")
        }
        if !cast.base.isEmpty || !cast.other.isEmpty {
            lines.append(
                "cast to float16, as PVIT's own script does: \(cast.base.count) tensors of the base, "
                    + "\(cast.other.count) of the other model")
        }
        if let replacedByTying {
            lines.append(
                "\(replacedByTying) of the base is not used, because config.json ties output layer and embeddings")
        }
        if let outdatedVocabularySize {
            lines.append("corrected vocab_size in config.json, which was \(outdatedVocabularySize)")
        }
        return lines
    }
}

/// Runs long work with a progress line. Ctrl-C cancels it.
func withProgress<Result>(
    _ label: String, _ display: OutputOptions, _ work: (WorkMonitor) throws -> Result
) throws -> Result {
    Interruption.watch()
    let line = ProgressLine(label, quiet: display.quiet)
    defer { line.finish() }
    return try work(
        WorkMonitor(
            report: { done, total in line.update(done: done, total: total) },
            isCancelled: { Interruption.isRequested }))
}
