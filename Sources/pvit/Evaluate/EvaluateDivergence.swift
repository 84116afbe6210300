import ArgumentParser
import Container
import Conversion
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
            The text is cut into windows as in llama.cpp's perplexity tool, and the statistics are those of its \
            --kl-divergence. Standard errors take tokens as independent; that of the perplexity ratio takes windows as \
            independent. With several texts, each has its own section, and the last one is about all of them. A logit \
            that is infinite or not a number is an error.

            Examples:
              pvit evaluate divergence smollm2-q4.pvq --reference smollm2-f16.pvq --text persuasion.txt
              pvit evaluate divergence q4.pvq --reference f16.pvq --text prose.txt --text code.txt --context 2048
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "The container to compare with, such as the same model in f16.")
    var reference: FilePath

    @Option(help: "A text to evaluate on. Can be repeated.")
    var text: [FilePath]

    @OptionGroup var options: WindowOptions

    func run() throws {
        let texts = try text.map { (name: $0.readable, bytes: try readText($0)) }
        // Each model gets half of the memory.
        let half = model.memory.memory.map { ByteCount(rawValue: $0.rawValue / 2) }
        let request = MemoryRequest(
            limit: half, contextLength: options.context, cacheStorage: options.kvCache,
            sequenceCount: options.windowsTogether, batchSize: WindowOptions.batchSize)
        let loaded = try model.load(model.file, request)
        let other = try model.load(reference, request)
        if !options.display.quiet {
            noteContext(options.context, of: loaded.llama.configuration, other.llama.configuration)
        }
        try loaded.checkSameVocabulary(as: other)
        let windows = try zip(text, texts).map { path, text in
            do {
                return try loaded.windows(of: text.bytes, context: options.context).prefix(options.windows)
            } catch let error as PVITError { throw error.located(file: path) }
        }
        var all = ComparedWindows()
        var sections: [(name: String, result: DivergenceResult)] = []
        for (text, windows) in zip(texts, windows) {
            let compared = try withWindowProgress(windows, options.display) { progress in
                try loaded.llama.comparison(
                    with: other.llama, over: windows, storage: options.kvCache, progress: progress)
            }
            sections.append((text.name, DivergenceResult(compared)))
            all.append(compared)
        }
        let report = DivergenceReport(
            bitsPerWeight: try linearBitsPerWeight(of: loaded.container), context: options.context, texts: sections,
            total: sections.count == 1 ? sections[0].result : DivergenceResult(all))
        if options.json {
            try StandardOutput.write(json: report.json)
        } else {
            try StandardOutput.write(report.text)
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
