import ArgumentParser
import LanguageModel
import PVITModel
import SystemPackage
import Tensors
import Tokenization

/// `pvit bench`: how fast a model runs on this machine.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how fast a model reads prompts (prefill) and makes tokens (decode).",
        discussion: """
            Each figure is the median of several runs after one that does not count; the spread is from the slowest to the \
            fastest, relative to the median. Weight GB/s is what the layers and the output read of the file.

            Example:
              pvit bench smollm2.pvq --prompt-tokens 128,512 --threads 1,2
            """)

    @Argument(help: "The model: a .pvq file.")
    var file: FilePath

    @Option(help: ArgumentHelp("Lengths of prompts to read.", valueName: "n,n,…"))
    var promptTokens = NumberList([128, 512])

    @Option(help: ArgumentHelp("How many tokens to make; 0 measures no decoding.", valueName: "n"))
    var generateTokens = 64

    @Option(help: ArgumentHelp("Thread counts to measure with.", valueName: "n,n,…"))
    var threads: NumberList?

    @Option(help: ArgumentHelp("Runs that count for each figure.", valueName: "n"))
    var runs = 5

    @Option(help: "How keys and values are kept: f32, f16 or q8.")
    var kvCache: KVCache.Storage = .f16

    @OptionGroup var memory: MemoryOptions

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard generateTokens >= 0 else { throw ValidationError("--generate-tokens takes 0 or more") }
        guard (1...1000).contains(runs) else { throw ValidationError("--runs takes a number from 1 to 1000") }
        guard (threads?.values ?? []).allSatisfy({ $0 <= 256 }) else {
            throw ValidationError("--threads takes numbers up to 256")
        }
    }

    func run() throws {
        Interruption.watch()
        var measurements: [Measurement] = []
        for threadCount in threads?.values ?? [ProcessStatus.availableProcessors] {
            let context = max(promptTokens.values.max() ?? 1, generateTokens + 1)
            let model = try LoadedModel(
                opening: file, engine: makeEngine(threadCount: threadCount),
                memory: MemoryRequest(limit: memory.memory, contextLength: context, cacheStorage: kvCache))
            memory.report(model)
            let benchmark = try ModelBenchmark(model: model, runs: runs, storage: kvCache)
            for count in promptTokens.values { measurements.append(try benchmark.prefill(tokens: count)) }
            if generateTokens > 0 { measurements.append(try benchmark.decode(tokens: generateTokens)) }
        }
        if json {
            try StandardOutput.write(json: .array(measurements.map(\.json)))
        } else {
            var table = TextTable([
                ("test", .left), ("tokens", .right), ("threads", .right), ("tokens/s", .right), ("spread", .right),
                ("weight GB/s", .right),
            ])
            for measurement in measurements { table.add(measurement.cells) }
            try StandardOutput.write(table.text)
        }
    }
}

/// A figure of speed.
struct Measurement {
    let test: String
    let tokens: Int
    let threads: Int
    /// Seconds of each run that counts.
    let seconds: [Double]
    /// Bytes of weights that one run reads.
    let weightBytes: Double

    private var median: Double {
        let sorted = seconds.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
    private var tokensPerSecond: Double { Double(tokens) / median }
    private var spread: Double { ((seconds.max() ?? 0) - (seconds.min() ?? 0)) / median }
    private var weightGigabytesPerSecond: Double { weightBytes / median / 1e9 }

    var json: JSONValue {
        [
            "test": .string(test), "tokens": .integer(tokens), "threads": .integer(threads),
            "tokens_per_s": .number(tokensPerSecond), "spread": .number(spread),
            "weight_gb_per_s": .number(weightGigabytesPerSecond),
        ]
    }

    var cells: [String] {
        [
            test, "\(tokens)", "\(threads)", tokensPerSecond.formatted(decimals: 1),
            (spread * 100).formatted(decimals: 0) + "%", weightGigabytesPerSecond.formatted(decimals: 1),
        ]
    }
}

/// Runs a model again and again with the clock on.
private struct ModelBenchmark {
    let model: LoadedModel
    let runs: Int
    let storage: KVCache.Storage
    private let weightByteCount: Int

    init(model: LoadedModel, runs: Int, storage: KVCache.Storage) throws {
        self.model = model
        self.runs = runs
        self.storage = storage
        // Of separate input embeddings a token needs one row; embeddings that are the output too are read whole.
        let tensors = try model.container.tensors().filter { $0.aliasOf == nil }
        let isTied = !tensors.contains { ModelPart($0.name) == .output }
        let parts: Set<ModelPart> = [.attention, .feedForward, .norms, .output]
        weightByteCount = tensors.reduce(0) { sum, tensor in
            let part = ModelPart(tensor.name)
            return parts.contains(part) || (isTied && part == .embeddings) ? sum + tensor.storedByteCount : sum
        }
    }

    /// The time to read a prompt of `tokens` tokens.
    func prefill(tokens: Int) throws -> Measurement {
        let input = LlamaInput.tokens(someTokens(tokens))
        var cache = try KVCache(for: model.llama.configuration, storage: storage, capacity: tokens)
        let seconds = try time {
            cache.truncate(to: 0)
            try model.llama.forward(input, cache: &cache)
        }
        let passes = Double((tokens + model.llama.batchSize - 1) / model.llama.batchSize)
        return Measurement(
            test: "prefill", tokens: tokens, threads: model.llama.engine.threadCount, seconds: seconds,
            weightBytes: passes * Double(weightByteCount))
    }

    /// The time to make `tokens` tokens, one after the other, from an almost empty context.
    func decode(tokens: Int) throws -> Measurement {
        let input = someTokens(tokens + 1)
        var cache = try KVCache(for: model.llama.configuration, storage: storage, capacity: tokens + 1)
        let seconds = try time {
            cache.truncate(to: 0)
            for token in input.dropLast() { try model.llama.forward(.tokens([token]), cache: &cache) }
        }
        return Measurement(
            test: "decode", tokens: tokens, threads: model.llama.engine.threadCount, seconds: seconds,
            weightBytes: Double(tokens) * Double(weightByteCount))
    }

    private func time(_ work: () throws -> Void) throws -> [Double] {
        try work()
        return try (0..<runs).map { _ in
            try Interruption.check()
            let start = ContinuousClock.now
            try work()
            return (ContinuousClock.now - start).seconds
        }
    }

    /// Tokens that are all over the vocabulary, always the same ones.
    private func someTokens(_ count: Int) -> [TokenID] {
        var random = RandomSource(seed: 1)
        let vocabulary = Int32(clamping: model.llama.configuration.vocabularySize)
        return (0..<count).map { _ in TokenID(rawValue: Int32.random(in: 0..<vocabulary, using: &random)) }
    }
}
