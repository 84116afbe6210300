import ArgumentParser
import Compute
import Glibc
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Vision

/// The model to run, and the threads and memory to run it with.
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
        logitsRowCount: Int = Llama.largestLogitsBlock, isSampled: Bool = true, seesImages: Bool = false,
        image: ImageHeader? = nil, draft: DraftFile? = nil,
        checkpoint: @escaping @Sendable () throws -> Void = interruptionCheckpoint
    ) throws -> LoadedModel {
        let request = MemoryRequest(
            limit: memory.memory, contextLength: context, cacheStorage: cacheStorage,
            sequenceCount: sequenceCount, batchSize: batchSize, logitsRowCount: logitsRowCount,
            isSampled: isSampled, seesImages: seesImages, image: image, draft: draft)
        return try load(file, request, checkpoint: checkpoint)
    }

    /// Opens another model with the same threads.
    func load(
        _ path: FilePath, _ request: MemoryRequest,
        checkpoint: @escaping @Sendable () throws -> Void = interruptionCheckpoint
    ) throws -> LoadedModel {
        let model = try withContainer(at: path) {
            try LoadedModel(
                opening: path, engine: makeEngine(threadCount: threads.count, checkpoint: checkpoint), memory: request)
        }
        if let plan = model.memoryPlan { memory.report(plan) }
        return model
    }
}

/// The memory to use.
struct MemoryOptions: ParsableArguments {
    @Option(
        valueName: "size",
        help: "Keep the whole process within this much memory, such as 2GiB. Weights that do not fit are streamed for "
            + "each token. By default, the limit is the machine's free memory or the control group's limit.")
    var memory: ByteCount?

    @Flag(help: "Print the memory plan.")
    var verbose = false

    /// Prints the memory plan if the user wants it, and notes if the context was shortened to fit.
    func report(_ plan: MemoryPlan) {
        if verbose { StandardError.write(plan.table.text) }
        if memory != nil, !verbose, plan.isContextShortened {
            StandardError.write("note: \(plan.contextNote)\n")
        }
    }
}

/// Creates a compute engine that Ctrl-C interrupts after `Interruption.watch`.
///
/// - Parameter checkpoint: What the engine calls between loops. By default it updates `PrefillProgress`.
func makeEngine(
    threadCount: Int, checkpoint: @escaping @Sendable () throws -> Void = interruptionCheckpoint
) throws -> ComputeEngine {
    try ComputeEngine(threadCount: threadCount, checkpoint: checkpoint)
}

/// Lets Ctrl-C interrupt an engine, and updates the progress line of prefill.
@Sendable func interruptionCheckpoint() throws {
    try Interruption.check()
    PrefillProgress.tick()
}

extension KVCache.Storage: ExpressibleByArgument {}

extension ContextOverflow: ExpressibleByArgument {}

/// How to draw the next token.
struct SamplingArguments: ParsableArguments {
    @Option(valueName: "t", help: "0 always takes the most likely token; higher values vary more.")
    var temperature = 0.0

    @Option(valueName: "k", help: "Draw only from the k most likely tokens; 0 draws from all.")
    var topK = 0

    @Option(valueName: "p", help: "Draw only from the most likely tokens that together reach this probability.")
    var topP = 1.0

    @Option(valueName: "p", help: "Draw only from tokens with at least this share of the largest probability.")
    var minP = 0.0

    @Option(valueName: "factor", help: "Make tokens that have occurred less likely; 1 changes nothing.")
    var repetitionPenalty = 1.0

    @Option(valueName: "n", help: "The seed of the random numbers; by default a different one each time.")
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
