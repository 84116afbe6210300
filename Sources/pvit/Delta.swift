import ArgumentParser
import Conversion
import Storage
import SystemPackage
import Tensors

/// `pvit delta`: target - base as a Hugging Face folder.
struct Delta: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Subtract a base from a fine-tuned model: the inverse of merge.",
        discussion: """
            Base and target are cast to float16, because merge adds in float16.

            With --packed, the output is one .pvq file from which merge gives the target back bit for bit, with its own \
            types and files. It is stored as changes of the base, compressed without loss. inspect tells which base it \
            belongs to and how far each layer was moved.

            Examples:
              pvit delta llama-7b my-pvit-7b --output my-delta
              pvit delta llama-7b my-pvit-7b --packed --output my-delta.pvq
              pvit merge llama-7b my-delta.pvq --output my-pvit-7b
            """)

    @Argument(help: ArgumentHelp("The base: \(checkpointFormats), or a .pvq file."))
    var base: FilePath

    @Argument(help: "The fine-tuned model, in any of these formats.")
    var target: FilePath

    @Flag(help: "Write a .pvq file with lossless changes instead of a folder with differences.")
    var packed = false

    @OptionGroup var folder: FolderOptions

    func run() throws {
        try folder.output.requireApart(fromCheckpoints: base, target)
        if packed { return try pack() }
        let result = try DeltaMerge.difference(base: ModelSource.open(base), target: ModelSource.open(target))
        let display = folder.display
        for line in result.summary { display.note(line) }
        try folder.job.write(result.checkpoint, note: display.note) { write in
            try withProgress("subtracting", display, write)
        }
    }

    private func pack() throws {
        let display = folder.display
        let base = try ModelSource.open(base)
        let target = try ModelSource.open(target)
        let start = ContinuousClock.now
        let report = try withProgress("packing", display) { monitor in
            try DeltaPacking.write(
                base: base, target: target, to: folder.output, threadCount: folder.threads.count,
                tool: ("pvit", PVITCommand.version), monitor: monitor)
        }
        for line in report.summary { display.note(line) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let targetBytes = target.weights.tensors.reduce(0) { $0 + $1.byteCount }
        let share = Double(report.byteCount) / Double(max(targetBytes, 1)) * 100
        display.note(
            "wrote \(folder.output.readable): \(ByteCount(report.byteCount)), \(share.formatted(decimals: 1))% of the "
                + "target's \(ByteCount(targetBytes)), in \(seconds.formatted(decimals: 1)) s")
    }
}

extension DeltaPacking.Report {
    /// Notes on the packed delta, one line each.
    fileprivate var summary: [String] {
        var lines = extended.map { tensor, baseRows in
            "\(tensor.name): the base has \(baseRows) of \(tensor.shape.rows) rows"
        }
        if !storedWhole.isEmpty {
            lines.append("stored whole, because the base has no such tensor: \(storedWhole.map(\.rawValue).listed())")
        }
        if !dropped.isEmpty {
            lines.append("not in the target: \(dropped.map(\.rawValue).listed())")
        }
        return lines
    }
}
