import ArgumentParser
import Compute
import Glibc
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Vision

/// Which model to run, and on what.
struct ModelOptions: ParsableArguments {
    @Argument(help: "The model: a .pvq file.")
    var file: FilePath

    @OptionGroup var threads: ThreadOptions
    @OptionGroup var memory: MemoryOptions

    /// Opens the model.
    ///
    /// - Throws: What `LoadedModel` throws.
    func load(
        context: Int? = nil, cacheStorage: KVCache.Storage? = nil, sequenceCount: Int = 1, batchSize: Int = 256,
        seesImages: Bool = false, image: ImageHeader? = nil
    ) throws -> LoadedModel {
        let request = MemoryRequest(
            limit: memory.memory, contextLength: context, cacheStorage: cacheStorage,
            sequenceCount: sequenceCount, batchSize: batchSize, seesImages: seesImages, image: image)
        return try load(file, request)
    }

    /// Opens another model on the same terms.
    func load(_ path: FilePath, _ request: MemoryRequest) throws -> LoadedModel {
        let model = try withContainer(at: path) {
            try LoadedModel(opening: path, engine: makeEngine(threadCount: threads.count), memory: request)
        }
        if let plan = model.memoryPlan { memory.report(plan) }
        return model
    }
}

/// How much memory to use.
struct MemoryOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Stay within this much memory, such as 2GiB: weights that do not fit are read again for each token. By "
                + "default what the machine, or the control group, has.",
            valueName: "size"))
    var memory: ByteCount?

    @Flag(help: "Tell how memory is shared out.")
    var verbose = false

    /// Tells what the user wants to know of a model's memory, and what was changed to fit into it.
    func report(_ plan: MemoryPlan) {
        if verbose { StandardError.write(plan.table.text) }
        if memory != nil, !verbose, plan.isContextShortened {
            StandardError.write(
                "note: to stay within \(plan.limit.map { "\($0)" } ?? "memory") the context has \(plan.contextLength) "
                    + "positions, fewer than the model was trained for\n")
        }
    }
}

/// What computes, on the instruction set that the environment variable PVIT_KERNELS names, or on the best there is.
/// Once `Interruption.watch` was called, Ctrl-C ends whatever it is computing. `ReadingProgress` is kept up to date
/// meanwhile.
func makeEngine(threadCount: Int) throws -> ComputeEngine {
    guard let name = getenv("PVIT_KERNELS").map({ String(cString: $0) }), !name.isEmpty else {
        return try ComputeEngine(threadCount: threadCount, checkpoint: checkpoint)
    }
    guard let set = InstructionSet(rawValue: name) else {
        let names = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("PVIT_KERNELS is \"\(name)\"; it takes one of \(names)")
    }
    return try ComputeEngine(
        threadCount: threadCount, instructionSet: set, checkpoint: checkpoint)
}

@Sendable private func checkpoint() throws {
    try Interruption.check()
    ReadingProgress.tick()
}

extension KVCache.Storage: ExpressibleByArgument {}

extension ContextOverflow: ExpressibleByArgument {}

/// How the next token is drawn.
struct SamplingArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("0 always takes the most likely token; higher is more varied.", valueName: "t"))
    var temperature = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw from the k most likely tokens only; 0 is all.", valueName: "k"))
    var topK = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw from the most likely tokens that together reach this probability.", valueName: "p"))
    var topP = 1.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw from tokens with at least this share of the largest probability.", valueName: "p"))
    var minP = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Make tokens that occurred less likely; 1 changes nothing.", valueName: "factor"))
    var repetitionPenalty = 1.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What the random choice depends on; by default another one each time.", valueName: "n"))
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
