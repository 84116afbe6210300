import Architectures
import Compute
import Container
import Conversion
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// Measures the speed of a model.
struct ModelBenchmark {
    /// The sizes and constants of the model.
    var configuration: LlamaConfiguration { llama.configuration }
    /// The memory plan.
    let plan: MemoryPlan
    private let container: Container
    private let llama: Llama
    private let limits: MachineLimits
    private let clock: Stopwatch
    private let storage: KVCache.Storage
    private let weights: WeightTotals
    /// How fast streamed weights can arrive; nil if none are streamed, or if that cannot be measured.
    private let reading: ReadingSpeed?

    /// Opens a model. It needs no tokenizer.
    ///
    /// - Throws: What `Container`, `LlamaConfiguration` and `Llama` throw.
    init(
        opening file: FilePath, engine: ComputeEngine, memory: MemoryRequest, limits: MachineLimits, clock: Stopwatch,
        storage: KVCache.Storage
    ) throws {
        container = try withContainer(at: file) { try Container(opening: file) }
        do {
            let configuration = try LlamaConfiguration(of: container)
            plan = try memory.plan(for: configuration, in: container, threadCount: engine.threadCount)
            // Before the model's own stream begins to read.
            reading = try plan.weights.measureReadingSpeed(of: configuration, in: container)
            llama = try Llama(
                configuration, in: container, engine: engine, weights: plan.weights, batchSize: plan.batchSize,
                logitsRowCount: plan.logitsRowCount)
        } catch let error as PVITError {
            throw error.located(file: file)
        }
        self.limits = limits
        self.clock = clock
        self.storage = storage
        weights = WeightTotals(try container.tensors())
    }

    /// Measures reading a prompt of `tokens` tokens.
    func prefill(tokens: Int) throws -> Measurement {
        let read = try reading(tokens)
        return prefill(.prefill(tokens: tokens), try clock.time(read))
    }

    /// Measures reading a prompt of `tokens` tokens, alternately with and without verifying the checksums of all tiles.
    func prefillAndFirst(tokens: Int) throws -> [Measurement] {
        let read = try reading(tokens)
        let times = try clock.timeInTurns(read) {
            container.forgetVerification()
            try read()
        }
        return [
            prefill(.prefill(tokens: tokens), times.first), prefill(.firstPrefill(tokens: tokens), times.second),
        ]
    }

    /// Returns a closure that reads a prompt.
    private func reading(_ tokens: Int) throws -> () throws -> Void {
        let input = LlamaInput.tokens(someTokens(tokens))
        var cache = try KVCache(for: llama.configuration, storage: storage, capacity: tokens)
        return {
            cache.truncate(to: 0)
            try llama.forward(input, cache: &cache)
        }
    }

    private func prefill(_ test: Measurement.Test, _ times: RunTimes) -> Measurement {
        let tokens = test.tokens
        let passes = Double((tokens + llama.batchSize - 1) / llama.batchSize)
        // Logits are computed for the last token only.
        let operations = weights.layerOperations.map { Double(tokens) * $0 + weights.outputOperations }
        return measurement(test, times, passes: passes, operations: operations)
    }

    /// Measures generating `tokens` tokens after `context` others, and how fast weights are streamed meanwhile.
    func decode(tokens: Int, context: Int) throws -> [Measurement] {
        let input = someTokens(context + tokens + 1)
        var cache = try KVCache(for: llama.configuration, storage: storage, capacity: input.count)
        if context > 0 { try llama.forward(.tokens(Array(input.prefix(context))), cache: &cache) }
        var streamed = StreamStatistics()
        let times = try clock.time {
            cache.truncate(to: context)
            streamed = llama.streamStatistics
            for token in input[context...].dropLast() { try llama.forward(.tokens([token]), cache: &cache) }
        }
        // For a single token, multiplications of floats take no longer than reading the floats, so they do not count.
        let operations = Double(tokens) * ((weights.layerOperations ?? 0) + weights.outputOperations)
        var measurement = measurement(
            .decode(tokens: tokens, context: context), times, passes: Double(tokens), operations: operations)
        measurement.stream = llama.streamStatistics - streamed
        guard let reading else { return [measurement] }
        let bytes = Double(measurement.stream.readByteCount)
        let limit = bytes / reading.bytesPerSecond
        measurement.limit = measurement.limit.map { max($0, limit) } ?? limit
        var streaming = measurement
        streaming.test = .streaming
        streaming.amount = bytes
        streaming.limit = limit
        return [measurement, streaming]
    }

    private func measurement(_ test: Measurement.Test, _ times: RunTimes, passes: Double, operations: Double?)
        -> Measurement
    {
        let bytes = passes * Double(weights.byteCount)
        return Measurement(
            test: test, instructionSet: llama.engine.instructionSet, threads: llama.engine.threadCount, times: times,
            amount: bytes,
            limit: operations.map { limits.seconds(bytes: bytes, operations: $0) })
    }

    /// Tokens from all over the vocabulary, the same in each call.
    private func someTokens(_ count: Int) -> [TokenID] {
        var random = RandomSource(seed: 1)
        let vocabulary = Int32(clamping: llama.configuration.vocabularySize)
        return (0..<count).map { _ in TokenID(rawValue: Int32.random(in: 0..<vocabulary, using: &random)) }
    }
}

/// The work that the weights of a decoder cause.
private struct WeightTotals {
    /// The bytes of weights that one pass reads.
    let byteCount: Int
    /// The multiplications and additions of quantized weights in the layers for one token. nil if some matrices are
    /// floats, because their limit is not measured.
    let layerOperations: Double?
    /// The same for the output layer, or 0 if it is not quantized.
    let outputOperations: Double

    init(_ tensors: [StoredTensor]) {
        let tensors = tensors.filter { $0.aliasOf == nil }
        // A token needs one row of the embeddings. Only tied embeddings are read whole, as the output layer.
        let isTied = !tensors.contains { ModelComponent($0.name) == .output }
        let layers = tensors.filter { [.attention, .feedForward].contains(ModelComponent($0.name)) }
        let output = tensors.filter { ModelComponent($0.name) == (isTied ? .embeddings : .output) }
        let norms = tensors.filter { ModelComponent($0.name) == .norms }
        byteCount = (layers + output + norms).reduce(0) { $0 + $1.storedByteCount }
        func isQuantized(_ tensor: StoredTensor) -> Bool { tensor.encoding == .q4 || tensor.encoding == .q8 }
        func operations(_ tensors: [StoredTensor]) -> Double {
            tensors.reduce(0) { $0 + (isQuantized($1) ? 2 * Double($1.shape.elementCount) : 0) }
        }
        layerOperations = layers.allSatisfy(isQuantized) ? operations(layers) : nil
        outputOperations = operations(output)
    }
}
