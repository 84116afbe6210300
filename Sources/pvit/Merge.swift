import ArgumentParser
import Conversion
import SystemPackage

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

    @OptionGroup var folder: FolderOptions

    func run() throws {
        let display = folder.display
        try folder.job.merge(base: base, delta: delta, note: display.note) { write in
            try withProgress("merging", display, write)
        }
    }
}
