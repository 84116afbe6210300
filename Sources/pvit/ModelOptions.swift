import ArgumentParser
import Glibc
import LanguageModel
import PVITModel
import SystemPackage
import Tensors

/// Which model to run, and on what.
struct ModelOptions: ParsableArguments {
    @Argument(help: "The model: a .pvq file.")
    var file: FilePath

    @OptionGroup var threads: ThreadOptions

    /// Opens the model.
    ///
    /// - Throws: What `LoadedModel` throws.
    func load() throws -> LoadedModel { try load(file) }

    /// Opens another model on the same terms.
    func load(_ path: FilePath) throws -> LoadedModel {
        try LoadedModel(opening: path, engine: makeEngine(threadCount: threads.count))
    }
}

/// What computes, on the instruction set that the environment variable PVIT_KERNELS names, or on the best there is. Once
/// `Interruption.watch` was called, Ctrl-C ends whatever it is computing.
func makeEngine(threadCount: Int) throws -> ComputeEngine {
    guard let name = getenv("PVIT_KERNELS").map({ String(cString: $0) }), !name.isEmpty else {
        return try ComputeEngine(threadCount: threadCount, checkpoint: Interruption.check)
    }
    guard let set = InstructionSet(rawValue: name) else {
        let names = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("PVIT_KERNELS is \"\(name)\"; it takes one of \(names)")
    }
    return try ComputeEngine(
        threadCount: threadCount, instructionSet: set, checkpoint: Interruption.check)
}

extension KVCache.Storage: ExpressibleByArgument {}

extension ContextOverflow: ExpressibleByArgument {}

/// How the next token is drawn.
struct SamplingArguments: ParsableArguments {
    @Option(help: ArgumentHelp("0 always takes the most likely token; higher is more varied.", valueName: "t"))
    var temperature = 0.0

    @Option(help: ArgumentHelp("Draw from the k most likely tokens only; 0 is all.", valueName: "k"))
    var topK = 0

    @Option(
        help: ArgumentHelp("Draw from the most likely tokens that together reach this probability.", valueName: "p"))
    var topP = 1.0

    @Option(
        help: ArgumentHelp("Draw from tokens with at least this share of the largest probability.", valueName: "p"))
    var minP = 0.0

    @Option(help: ArgumentHelp("Make tokens that occurred less likely; 1 changes nothing.", valueName: "factor"))
    var repetitionPenalty = 1.0

    @Option(help: ArgumentHelp("What the random choice depends on; by default another one each time.", valueName: "n"))
    var seed: UInt64?

    func validate() throws {
        do { try options.check() } catch let error as PVITError { throw ValidationError(error.what) }
    }

    /// The options for the sampler.
    var options: SamplingOptions {
        SamplingOptions(
            temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: repetitionPenalty,
            seed: seed ?? UInt64.random(in: 0...UInt64.max))
    }
}
