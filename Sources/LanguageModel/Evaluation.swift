import Architectures
import Compute
import Storage
import Platform
import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Llama {
    /// The perplexity of the model over `windows`, some of which are read together: the more, the more tokens share the
    /// decoding of weights. Results do not depend on that.
    ///
    /// - Parameters:
    ///   - storage: The type of the key/value cache.
    ///   - progress: Called after each window with the number of windows done; what it throws ends the evaluation.
    /// - Throws: `model.not-finite` when a logit is infinite or not a number.
    package func perplexity(
        over windows: EvaluationWindows, storage: KVCache.Storage = .f16, progress: (Int) throws -> Void = { _ in }
    ) throws -> PerplexityResult {
        var losses: [Double] = []
        for group in windows.groups(ofPositions: positionsTogether(storage)) {
            let batch = try self.batch(windows.windows[group], windows, storage)
            try forwardInBlocks(batch, rowsPerPass: largestBatchSize) { rows, logits in
                losses += try engine.mapRows(rows.count) { index in
                    let row = rows[rows.startIndex + index]
                    let target = Int(windows.windows[group.lowerBound + row.entry][row.position + 1].rawValue)
                    return try logits.withRow(index) { try -LogSoftmax($0)[$0, target] }
                }
                try windows.report(rows, of: group, progress)
            }
        }
        let perplexity = Estimate(meanOf: losses).mapped(by: { exp($0) }, slope: { exp($0) })
        return PerplexityResult(
            perplexity: perplexity.value, standardError: perplexity.standardError, tokenCount: losses.count)
    }

    /// Compares this model's predictions with those of `reference` over `windows`. Both must have the same vocabulary.
    ///
    /// The two models take turns with some windows at a time, and logits are dropped once they are compared: memory
    /// grows by a few numbers for each scored token.
    ///
    /// - Parameter progress: As for `perplexity`.
    /// - Throws: `evaluation.text` when the vocabularies differ in size; `model.not-finite` when a logit of either
    ///   model is infinite or not a number.
    package func comparison(
        with reference: Llama, over windows: EvaluationWindows, storage: KVCache.Storage = .f16,
        progress: (Int) throws -> Void = { _ in }
    ) throws -> ComparedWindows {
        let vocabulary = configuration.vocabularySize
        guard vocabulary == reference.configuration.vocabularySize else {
            throw PVITError(
                .evaluationText,
                "the vocabularies have \(vocabulary) and \(reference.configuration.vocabularySize) tokens: the models "
                    + "cannot be compared")
        }
        var compared = [[Comparison]](repeating: [], count: windows.windows.count)
        let positions = min(positionsTogether(storage), reference.positionsTogether(storage))
        for group in windows.groups(ofPositions: positions) {
            // The reference's hidden states wait for the model's: they are small, and logits are not.
            let scored = group.count * windows.scored.count
            let states = Matrix(rows: scored, columns: reference.configuration.hiddenSize)
            states.rows = 0
            try reference.forwardToStates(
                reference.batch(windows.windows[group], windows, storage), rowsPerPass: reference.largestBatchSize
            ) { states.append($1) }
            var next = 0
            try forwardInBlocks(
                batch(windows.windows[group], windows, storage), rowsPerPass: largestBatchSize
            ) { rows, logits in
                let expected = try reference.logits(of: states, rows: next..<next + rows.count)
                next += rows.count
                let comparisons = try engine.mapRows(rows.count) { index in
                    let row = rows[rows.startIndex + index]
                    let target = Int(windows.windows[group.lowerBound + row.entry][row.position + 1].rawValue)
                    return try expected.withRow(index) { expected in
                        try logits.withRow(index) { try Comparison(expected, $0, target: target) }
                    }
                }
                for (row, comparison) in zip(rows, comparisons) {
                    compared[group.lowerBound + row.entry].append(comparison)
                }
                try windows.report(rows, of: group, progress)
            }
        }
        return ComparedWindows(compared)
    }

    /// How many positions are read together: of several windows while their caches are small, of one otherwise.
    private func positionsTogether(_ storage: KVCache.Storage) -> Int {
        min(largestBatchSize, Self.cacheBytesTogether / KVCache.bytesPerPosition(configuration, storage))
    }

    /// The most memory of the caches of windows that are read together.
    private static let cacheBytesTogether = 512 << 20

    /// What is read of some windows: all but the last token of each, whose successor is unknown.
    private func batch(
        _ group: ArraySlice<[TokenID]>, _ windows: EvaluationWindows, _ storage: KVCache.Storage
    ) throws -> [SequenceInput] {
        try group.map { window in
            let cache = try KVCache(for: configuration, storage: storage, capacity: windows.context)
            return SequenceInput(
                LlamaSequence(cache), .tokens(Array(window[..<windows.scored.upperBound])),
                logits: .from(windows.scored.lowerBound))
        }
    }
}

extension ComputeEngine {
    /// `body` of every index of `0..<count` in order, computed on all threads.
    fileprivate func mapRows<Value: Sendable>(_ count: Int, _ body: (Int) throws -> Value) throws -> [Value] {
        let results = Lock([Value?](repeating: nil, count: count))
        try forEachRange(of: count) { rows, _ in
            for row in rows {
                let value = try body(row)
                results.withLock { $0[row] = value }
            }
        }
        return results.withLock { $0.compactMap(\.self) }
    }
}
