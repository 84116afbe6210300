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
    var shardSize = FolderJob.defaultShardSize

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var display: OutputOptions

    private var job: ExportJob {
        ExportJob(source: source, output: output, type: type, shardSize: shardSize, threadCount: threads.count)
    }

    func validate() throws {
        if let problem = job.typeProblem { throw ValidationError("--type \(problem)") }
    }

    func run() throws {
        try job.run(note: display.note) { write in try withProgress("exporting", display, write) }
    }
}

extension GGUFWeightType: ExpressibleByArgument {}
