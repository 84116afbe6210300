import ArgumentParser
import Container
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Tensors

/// `pvit evaluate divergence`: measures how far a quantized model's predictions are from the original's.
struct EvaluateDivergence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "divergence",
        abstract: "Measure how far a model's predictions are from a reference's (Kullback-Leibler divergence).",
        discussion: """
            Example:
              pvit evaluate divergence smollm2-q4.pvq --reference smollm2-f16.pvq --text persuasion.txt
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "The container to compare with, such as the same model in f16.")
    var reference: FilePath

    @OptionGroup var text: TextOptions

    func run() throws {
        // Each model gets half of the memory.
        let half = model.memory.memory.map { ByteCount(rawValue: $0.rawValue / 2) }
        let request = MemoryRequest(
            limit: half, contextLength: text.context, cacheStorage: text.kvCache, sequenceCount: text.windowsTogether,
            batchSize: TextOptions.batchSize)
        let loaded = try model.load(model.file, request)
        let other = try model.load(reference, request)
        if !text.display.quiet { noteContext(text.context, of: loaded.llama.configuration, other.llama.configuration) }
        try loaded.checkSameVocabulary(as: other)
        let windows = try loaded.windows(of: text.read(), context: text.context).prefix(text.windows)
        let result = try withWindowProgress(windows, text.display) { progress in
            try loaded.llama.divergence(from: other.llama, over: windows, storage: text.kvCache, progress: progress)
        }
        let bits = try linearBitsPerWeight(of: loaded.container)
        if text.json {
            try StandardOutput.write(json: [
                "perplexity": .number(result.perplexity),
                "reference_perplexity": .number(result.referencePerplexity),
                "mean_kl": .number(result.meanKL), "p99_kl": .number(result.p99KL),
                "top1_agreement": .number(result.top1Agreement), "tokens": .integer(result.tokenCount),
                "bits_per_weight": .number(bits),
            ])
        } else {
            try StandardOutput.write(
                """
                bits per weight       \(bits.formatted(decimals: 3)) in the linear matrices
                mean KL divergence    \(result.meanKL.formatted(decimals: 5))
                99th percentile       \(result.p99KL.formatted(decimals: 4))
                same top token        \((result.top1Agreement * 100).formatted(decimals: 1)) %
                perplexity            \(result.perplexity.formatted(decimals: 3)), reference \
                \(result.referencePerplexity.formatted(decimals: 3))
                tokens                \(result.tokenCount)

                """)
        }
    }
}

/// The stored bits per weight in the linear matrices of all layers, to which the type of a model applies.
func linearBitsPerWeight(of container: Container) throws -> Double {
    let matrices = try container.tensors().filter { tensor in
        let component = ModelComponent(tensor.name)
        return tensor.aliasOf == nil && (component == .attention || component == .feedForward)
    }
    let bytes = matrices.reduce(0) { $0 + $1.storedByteCount }
    let weights = matrices.reduce(0) { $0 + $1.shape.elementCount }
    return weights > 0 ? Double(bytes) * 8 / Double(weights) : 0
}
