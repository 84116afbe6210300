import Synchronization
import Tensors
import Tokenization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Llama {
    /// The perplexity of the model over `windows`.
    ///
    /// - Parameters:
    ///   - storage: The type of the key/value cache.
    ///   - progress: Called after each window with the number of windows done; what it throws ends the evaluation.
    public func perplexity(
        over windows: EvaluationWindows, storage: KVCache.Storage = .f16, progress: (Int) throws -> Void = { _ in }
    ) throws -> PerplexityResult {
        var cache = try KVCache(for: configuration, storage: storage, capacity: windows.context)
        let first = windows.scored.lowerBound
        var losses: [Double] = []
        for (number, window) in windows.windows.enumerated() {
            cache.truncate(to: 0)
            let input = LlamaInput.tokens(Array(window[..<windows.scored.upperBound]))
            try forwardInBlocks(input, cache: &cache, logits: .from(first)) { positions, logits in
                losses += try engine.mapRows(positions.count) { row in
                    let target = Int(window[positions.lowerBound + row + 1].rawValue)
                    return try logits.withRow(row) { try -LogSoftmax($0)[$0, target] }
                }
            }
            try progress(number + 1)
        }
        let (mean, deviation) = Self.meanAndDeviation(losses)
        let perplexity = exp(mean)
        return PerplexityResult(
            perplexity: perplexity,
            standardError: perplexity * deviation / Double(max(losses.count - 1, 1)).squareRoot(),
            tokenCount: losses.count)
    }

    /// How far this model is from `reference` over `windows`. Both must have the same vocabulary.
    ///
    /// The two models take turns with some positions at a time, so the memory in use does not depend on the text.
    ///
    /// - Parameter progress: As for `perplexity`.
    /// - Throws: `evaluation.text` when the vocabularies differ in size.
    public func divergence(
        from reference: Llama, over windows: EvaluationWindows, storage: KVCache.Storage = .f16,
        progress: (Int) throws -> Void = { _ in }
    ) throws -> DivergenceResult {
        let vocabulary = configuration.vocabularySize
        guard vocabulary == reference.configuration.vocabularySize else {
            throw PVITError(
                .evaluationText,
                "the vocabularies have \(vocabulary) and \(reference.configuration.vocabularySize) tokens: the models "
                    + "cannot be compared")
        }
        var cache = try KVCache(for: configuration, storage: storage, capacity: windows.context)
        var referenceCache = try KVCache(for: reference.configuration, storage: storage, capacity: windows.context)
        let expected = ActivationMatrix(capacity: Self.logitsBlock, columns: vocabulary)
        var comparisons: [Comparison] = []
        for (number, window) in windows.windows.enumerated() {
            cache.truncate(to: 0)
            referenceCache.truncate(to: 0)
            let unscored = LlamaInput.tokens(Array(window[..<windows.scored.lowerBound]))
            try reference.forward(unscored, cache: &referenceCache, logits: .none)
            try forward(unscored, cache: &cache, logits: .none)
            for start in stride(from: windows.scored.lowerBound, to: windows.scored.upperBound, by: Self.logitsBlock) {
                let positions = start..<min(start + Self.logitsBlock, windows.scored.upperBound)
                let input = LlamaInput.tokens(Array(window[positions]))
                try reference.forward(input, cache: &referenceCache, logits: .from(0)) { position, logits in
                    expected.fill(row: position, with: logits)
                }
                try forwardInBlocks(input, cache: &cache, logits: .from(0)) { block, logits in
                    comparisons += try engine.mapRows(block.count) { row in
                        let target = Int(window[start + block.lowerBound + row + 1].rawValue)
                        return try expected.withRow(block.lowerBound + row) { expected in
                            try logits.withRow(row) { try Comparison(expected, $0, target: target) }
                        }
                    }
                }
            }
            try progress(number + 1)
        }
        let count = Double(comparisons.count)
        return DivergenceResult(
            perplexity: exp(comparisons.reduce(0) { $0 + $1.loss } / count),
            referencePerplexity: exp(comparisons.reduce(0) { $0 + $1.referenceLoss } / count),
            meanKL: comparisons.reduce(0) { $0 + $1.divergence } / count,
            p99KL: Self.quantile(0.99, of: comparisons.map(\.divergence)),
            top1Agreement: Double(comparisons.count { $0.sameTop }) / count, tokenCount: comparisons.count)
    }

    static func meanAndDeviation(_ values: [Double]) -> (mean: Double, deviation: Double) {
        guard !values.isEmpty else { return (.nan, .nan) }
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        return (mean, variance.squareRoot())
    }

    /// The value below which a share of the values lies, interpolated linearly between neighbours.
    static func quantile(_ share: Double, of values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let place = share * Double(sorted.count - 1)
        let below = Int(place)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
    }
}

/// log softmax of logits in double precision: logit - max - log Σ exp(logit - max).
struct LogSoftmax {
    let normalizer: Double
    let best: Int

    init(_ logits: Span<Float>) throws {
        best = try Sampler.argmax(logits)
        let largest = Double(logits[best])
        var sum = 0.0
        for index in logits.indices { sum += exp(Double(logits[index]) - largest) }
        normalizer = largest + log(sum)
    }

    subscript(logits: Span<Float>, index: Int) -> Double {
        get throws {
            guard logits.indices.contains(index) else {
                throw PVITError(.modelToken, "token \(index) is not in the vocabulary of \(logits.count)")
            }
            return Double(logits[index]) - normalizer
        }
    }
}

/// What the predictions of two models for one token have in common.
private struct Comparison: Sendable {
    let loss: Double
    let referenceLoss: Double
    let divergence: Double
    let sameTop: Bool

    init(_ expected: Span<Float>, _ logits: Span<Float>, target: Int) throws {
        let (reference, model) = (try LogSoftmax(expected), try LogSoftmax(logits))
        loss = -(try model[logits, target])
        referenceLoss = -(try reference[expected, target])
        // KL(p ‖ q) = Σ p (log p - log q)
        var sum = 0.0
        for index in logits.indices {
            let logP = Double(expected[index]) - reference.normalizer
            sum += exp(logP) * (logP - (Double(logits[index]) - model.normalizer))
        }
        divergence = max(sum, 0)
        sameTop = reference.best == model.best
    }
}

extension ComputeEngine {
    /// `body` of every index of `0..<count` in order, computed on all threads.
    fileprivate func mapRows<Value: Sendable>(_ count: Int, _ body: (Int) throws -> Value) throws -> [Value] {
        let results = Mutex([Value?](repeating: nil, count: count))
        try forEach(count) { rows, _ in
            for row in rows {
                let value = try body(row)
                results.withLock { $0[row] = value }
            }
        }
        return results.withLock { $0.compactMap(\.self) }
    }
}
