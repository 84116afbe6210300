import ArgumentParser
import Checkpoints
import Conversion
import Storage
import SystemPackage

/// `pvit export`: a model as a GGUF file or a Hugging Face folder.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Export a model for other programs: as a GGUF file, or as a Hugging Face folder (safetensors).",
        discussion: """
            If the name of the output ends in .gguf, this writes a GGUF file for llama.cpp, with configuration, \
            tokenizer and chat template. The format cannot hold PVIT's projections, so these are left out. Any other \
            output becomes a folder with safetensors files. The towers of a .pvq file are not exported: other programs \
            read them from their own checkpoints.

            Examples:
              pvit export model.pvq --output model.gguf --type q8_0
              pvit export model.gguf --output folder --type f16
            """)

    @Argument(help: ArgumentHelp("The model: \(checkpointFormats), or a .pvq file."))
    var source: FilePath

    @Option(name: .shortAndLong, help: "The .gguf file or the folder to write.")
    var output: FilePath

    @Option(
        help: ArgumentHelp(
            "The type of the weights: in a folder f32, f16 or bf16, by default the source's own types; in a GGUF file "
                + "also q8_0, q4_0 or q4_1, by default f16."))
    var type: GGUFWeightType?

    @Option(parsing: .unconditional, help: "Start another safetensors file when one would exceed this size.")
    var shardSize = ByteCount(rawValue: 5_000_000_000)

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    private var isGGUF: Bool { output.extension == "gguf" }

    func validate() throws {
        if !isGGUF, let type, type.elementType == nil {
            throw ValidationError("--type \(type.rawValue) is for GGUF files: give an output whose name ends in .gguf")
        }
    }

    func run() throws {
        try output.requireApart(fromCheckpoints: source)
        let model = try ModelSource.open(source)
        display.noteLeftOut(try Tower.all(inContainer: source))
        guard isGGUF else {
            let resolved = try model.resolvingOutputLayer()
            let converted = try type?.elementType.map { try resolved.converted(to: $0) } ?? resolved
            return try writeFolder(converted, label: "exporting", to: output, shardSize: shardSize, threads, display)
        }
        let report = try withProgress("exporting", display) { monitor in
            try GGUFExport.write(
                model, to: output, type: type ?? .f16, threadCount: threads.count, monitor: monitor)
        }
        if !report.leftOut.isEmpty {
            display.note("left out: \(report.leftOut.map(\.rawValue).listed())")
        }
        for note in report.tokenizerNotes { display.note("left out: \(note)") }
        display.note("wrote \(output.readable): \(report.tensorCount) tensors, \(ByteCount(report.byteCount))")
    }
}

extension GGUFWeightType: ExpressibleByArgument {}

extension OutputOptions {
    /// Notes that towers are not exported.
    func noteLeftOut(_ towers: [Tower]) {
        guard !towers.isEmpty else { return }
        note("left out: the \(towers.map(\.kind.title).joined(separator: " and the "))")
    }
}
