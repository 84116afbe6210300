import ArgumentParser
import Storage

/// The root of the command line.
struct PVITCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pvit",
        abstract: "Merge, quantize and run PVIT and LLaMA models on an ordinary computer.",
        discussion: """
            From checkpoints to answers in two steps:

              pvit quantize llama-7b --delta pvit-delta --type q4 --output pvit.pvq
              pvit run pvit.pvq "What is the capital of France?"

            Exit status: 0 success, 64 usage, 65 bad data, 66 missing input, 70 a defect of pvit, 73 the output cannot \
            be created, 74 input or output failed, 130 interrupted.
            """,
        version: version,
        subcommands: [
            Merge.self, Delta.self, Quantize.self, Run.self, Serve.self, Inspect.self, Verify.self, Export.self,
            Tokenize.self, Evaluate.self, Bench.self,
        ])

    /// The version of the program, recorded in the files that it writes.
    static let version = ToolVersion.text
}
