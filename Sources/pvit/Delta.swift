import ArgumentParser
import Conversion
import SystemPackage

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

    @OptionGroup var folder: FolderOptions

    func run() throws {
        try folder.output.requireApart(fromCheckpoints: base, target)
        let result = try DeltaMerge.difference(base: ModelSource.open(base), target: ModelSource.open(target))
        try folder.write(result, label: "subtracting")
    }
}
