import Architectures
import Compute
import Container
import Storage
import Tensors

/// A LLaMA-family decoder (LLaMA, arXiv 2302.13971; grouped queries, arXiv 2305.13245). It reads tokens or embeddings
/// and computes logits.
///
/// A decoder runs one computation at a time.
package final class Llama {
    /// The most tokens that go through the layers together. Longer inputs take several passes.
    package let batchSize: Int
    /// The same where only the total time counts, as in an evaluation over texts.
    let largestBatchSize: Int
    /// Without a plan: for answers, which should begin soon, and for evaluations.
    private static let ordinaryBatchSizes = 256...1024
    /// The most positions whose logits are computed at a time. More positions take several products with the output
    /// matrix.
    package static let largestLogitsBlock = 64
    private let logitsBlock: Int

    /// Sizes and constants.
    package let configuration: LlamaConfiguration
    /// The engine that computes.
    package let engine: ComputeEngine
    private let weights: LlamaWeights
    private let rotary: RotaryEmbedding
    private let state: LlamaState
    private let residency: WeightResidency

    /// Opens the weights of a container.
    ///
    /// - Parameters:
    ///   - weights: Where the weights are.
    ///   - batchSize: The most tokens that ever go through the layers together.
    ///   - logitsRowCount: The most positions whose logits are computed at a time.
    /// - Throws: `tensor.not-found` or `tensor.mismatch` if they do not suit `configuration`; the errors of opening the
    ///   file once more when weights are streamed.
    package init(
        _ configuration: LlamaConfiguration, in container: Container, engine: ComputeEngine,
        weights: MemoryPlan.Residency = .mapped, batchSize: Int? = nil, logitsRowCount: Int = largestLogitsBlock
    ) throws {
        logitsBlock = min(max(logitsRowCount, 1), Self.largestLogitsBlock)
        self.configuration = configuration
        self.engine = engine
        largestBatchSize = batchSize ?? Self.ordinaryBatchSizes.upperBound
        self.batchSize = min(largestBatchSize, Self.ordinaryBatchSizes.lowerBound)
        residency = try weights.open(LlamaArchitecture(configuration).matrices.map(\.name), in: container)
        do {
            self.weights = try LlamaWeights(configuration, in: container, residency: residency)
        } catch {
            residency.stream?.stop()
            throw error
        }
        rotary = RotaryEmbedding(configuration.rotary, headWidth: configuration.headWidth)
        state = LlamaState(configuration, capacity: largestBatchSize, logitsRowCount: logitsBlock)
    }

    deinit { residency.stream?.stop() }

    /// The cost of streaming weights so far; zero when they are used from the mapped file.
    package var streamStatistics: StreamStatistics { residency.stream?.statistics ?? StreamStatistics() }

    /// Reads `input` after the positions that `cache` holds, and passes logits to `consume`.
    ///
    /// - Parameters:
    ///   - input: At least one position.
    ///   - cache: Receives the new positions. After an error it holds those of the passes that succeeded.
    ///   - logits: For which positions of the input logits are computed.
    ///   - trace: Receives the hidden states between the layers.
    ///   - consume: Receives the index of a position in the input and its logits `[vocabulary]`, in order.
    ///   - read: Called after each pass with the number of positions of the input read so far.
    /// - Throws: `model.context-full` if the input does not fit into the cache, `model.token` for a token outside the
    ///   vocabulary, the errors of the container's tiles, and what `consume` throws.
    package func forward(
        _ input: LlamaInput, cache: inout KVCache, logits: LogitsSelection = .last, trace: HiddenStateTrace? = nil,
        _ consume: (_ position: Int, _ logits: Span<Float>) throws -> Void = { _, _ in },
        read: (_ count: Int) -> Void = { _ in }
    ) throws {
        try check(input, cache)
        let start = cache.count
        let batch = [BatchEntry(input: input, logits: logits, rows: cache.rows, start: start)]
        func append(_ count: Int) {
            cache.append(count)
            read(cache.count - start)
        }
        try run(batch, trace: trace, read: { _, count in append(count) }) { rows, states in
            try computeLogits(rows, of: states) { rows, logits in
                for (index, row) in rows.enumerated() { try logits.withRow(index) { try consume(row.position, $0) } }
            }
        }
    }

    /// Reads several sequences in common passes over the weights, each after the positions of its own cache. The
    /// results of each have the same bits as if it were read alone.
    ///
    /// - Parameters:
    ///   - batch: Different sequences. After an error their caches hold the positions of the passes that succeeded.
    ///   - consume: Receives the index of an input in the batch, the index of a position in that input, and the logits
    ///     of that position: inputs in order, positions in order.
    /// - Throws: As the `forward` of one sequence.
    package func forward(
        _ batch: [SequenceInput],
        _ consume: (_ input: Int, _ position: Int, _ logits: Span<Float>) throws -> Void = { _, _, _ in }
    ) throws {
        try forwardInBlocks(batch) { rows, logits in
            for (index, row) in rows.enumerated() {
                try logits.withRow(index) { try consume(row.entry, row.position, $0) }
            }
        }
    }

    /// The same, with the logits of some positions at a time: `[rows, vocabulary]`, at most `logitsBlock` rows.
    func forwardInBlocks(
        _ batch: [SequenceInput], rowsPerPass: Int? = nil,
        _ consume: (_ rows: ArraySlice<LlamaPass.Row>, _ logits: Matrix) throws -> Void
    ) throws {
        try forwardToStates(batch, rowsPerPass: rowsPerPass) { try computeLogits($0, of: $1, consume) }
    }

    /// The same, with the hidden states after the last layer, which `logits(of:rows:)` are computed from:
    /// `[rows, hidden]`.
    func forwardToStates(
        _ batch: [SequenceInput], rowsPerPass: Int? = nil,
        _ consume: (_ rows: [LlamaPass.Row], _ states: Matrix) throws -> Void
    ) throws {
        guard Set(batch.map { ObjectIdentifier($0.sequence) }).count == batch.count else {
            throw PVITError(.internalDefect, "a sequence occurs twice in a batch")
        }
        for entry in batch { try check(entry.input, entry.sequence.cache) }
        let entries = batch.map {
            BatchEntry(
                input: $0.input, logits: $0.logits, rows: $0.sequence.cache.rows, start: $0.sequence.cache.count)
        }
        try run(
            entries, rowsPerPass: rowsPerPass, read: { entry, count in batch[entry].sequence.cache.append(count) },
            consume)
    }

    /// The embeddings of tokens, some of which are replaced by features of an image.
    ///
    /// - Parameters:
    ///   - tokens: One for each position.
    ///   - replacements: Positions, each with the row of a matrix `[rows, hidden]` that becomes its embedding.
    /// - Throws: `model.token` for a token outside the vocabulary; `tensor.mismatch` if a row has another width, or if
    ///   the row or the position does not exist; the errors of the container's tiles.
    package func embeddings(
        of tokens: [TokenID], replacing replacements: [(position: Int, row: Int, matrix: Matrix)] = []
    ) throws -> TokenEmbeddings {
        try LlamaInput.tokens(tokens).check(configuration)
        let result = Matrix(rows: tokens.count, columns: configuration.hiddenSize)
        try engine.lookUp(
            tokens.enumerated().map { (row: $0, index: Int($1.rawValue)) }, in: weights.embedding, into: result)
        for (position, row, matrix) in replacements {
            guard matrix.columns == result.columns, (0..<matrix.rows).contains(row),
                (0..<result.rows).contains(position)
            else {
                throw PVITError(
                    .tensorMismatch,
                    "row \(row) of features [\(matrix.rows), \(matrix.columns)] cannot become position \(position) of "
                        + "embeddings [\(result.rows), \(result.columns)]")
            }
            matrix.withRow(row) { result.fill(row: position, with: $0) }
        }
        return TokenEmbeddings(result)
    }

    private func check(_ input: LlamaInput, _ cache: borrowing KVCache) throws {
        try input.check(configuration)
        try cache.check(configuration)
        try cache.checkRoom(for: input.count)
    }

    /// Runs a batch through the layers, some rows at a time.
    ///
    /// - Parameters:
    ///   - read: Called after each pass with the number of positions of an entry's input that it read.
    ///   - consume: Receives the positions whose logits are wanted and their hidden states after the last layer.
    private func run(
        _ batch: [BatchEntry], rowsPerPass: Int? = nil, trace: HiddenStateTrace? = nil,
        read: (_ entry: Int, _ count: Int) -> Void,
        _ consume: (_ rows: [LlamaPass.Row], _ states: Matrix) throws -> Void
    ) throws {
        for pass in LlamaPass.passes(of: batch, rowsPerPass: rowsPerPass ?? batchSize) {
            try embed(pass, of: batch)
            let (wanted, wantedRows) = pass.keeping(batch) { segment in
                let entry = batch[segment.entry]
                return entry.logits.range(of: entry.input.count).clamped(to: segment.positions)
            }
            // A trace receives the last layer's output for all positions; logits need only the wanted ones.
            let isTraced = trace != nil
            try runLayers(pass, keeping: isTraced ? nil : (wanted, wantedRows), trace)
            for segment in pass.segments { read(segment.entry, segment.rows.count) }
            if let trace {
                try engine.rmsNorm(
                    state.residual, weight: weights.finalNorm, epsilon: configuration.normEpsilon, into: state.normed)
                try trace(.final, pass.segments[0].positions.lowerBound, state.normed)
                state.residual.keepRows(wantedRows)
            }
            if !wanted.rows.isEmpty { try consume(wanted.rows, state.residual) }
        }
    }

    private func embed(_ pass: LlamaPass, of batch: [BatchEntry]) throws {
        let x = state.residual
        x.rows = pass.rows.count
        var tokens: [(row: Int, index: Int)] = []
        for segment in pass.segments {
            for (row, position) in zip(segment.rows, segment.positions) {
                switch batch[segment.entry].input {
                case .tokens(let ids): tokens.append((row, Int(ids[position].rawValue)))
                case .embeddings(let embeddings): embeddings.withRow(position) { x.fill(row: row, with: $0) }
                }
            }
        }
        try engine.lookUp(tokens, in: weights.embedding, into: x)
    }

    /// Runs `state.residual`, `[tokens, hidden]`, through all layers. Of the last layer's output only the rows `kept`
    /// are computed and kept; all of them if it is nil.
    private func runLayers(
        _ whole: LlamaPass, keeping kept: (pass: LlamaPass, rows: [Range<Int>])?, _ trace: HiddenStateTrace?
    ) throws {
        let (x, s) = (state.residual, state)
        let epsilon = configuration.normEpsilon
        let start = whole.segments[0].positions.lowerBound
        var pass = whole
        try engine.rotaryAngles(rotary, pass, into: s.angles)  // [tokens, width]
        try trace?(.embedding, start, x)

        for (index, layer) in weights.layers.enumerated() {
            // x += o(attention(rotate(q(norm(x))), rotate(k(norm(x))), v(norm(x))))
            try engine.rmsNorm(x, weight: layer.attentionNorm, epsilon: epsilon, into: s.normed)  // [tokens, hidden]
            let isLast = index == weights.layers.count - 1
            if isLast, let kept, kept.pass.rows.count < pass.rows.count {
                try engine.multiply(layer.keyValue, s.normed, into: s.key, s.value)
                try engine.rotateAndStore(key: s.key, value: s.value, angles: s.angles, layer: index, pass)
                pass = kept.pass
                for matrix in [x, s.normed, s.angles] { matrix.keepRows(kept.rows) }
                guard !pass.rows.isEmpty else { break }
                try engine.multiply(layer.query, s.normed, into: s.query)
            } else {
                // [tokens, heads * width], 2 x [tokens, key/value heads * width]
                try engine.multiply(layer.queryKeyValue, s.normed, into: s.query, s.key, s.value)
                try engine.rotateAndStore(key: s.key, value: s.value, angles: s.angles, layer: index, pass)
            }
            try engine.rotate(s.query, angles: s.angles, headWidth: configuration.headWidth)
            try engine.attend(query: s.query, layer: index, pass, into: s.attended)  // [tokens, heads * width]
            try engine.multiply(layer.attentionOutput, s.attended, into: s.update)  // [tokens, hidden]
            try engine.add(s.update, to: x)

            // x += down(silu(gate(norm(x))) * up(norm(x)))
            try engine.rmsNorm(x, weight: layer.feedForwardNorm, epsilon: epsilon, into: s.normed)  // [tokens, hidden]
            try engine.multiply(layer.gateUp, s.normed, into: s.gate, s.up)  // 2 x [tokens, intermediate]
            try engine.swiglu(s.gate, s.up)
            try engine.multiply(layer.down, s.gate, into: s.update)  // [tokens, hidden]
            try engine.add(s.update, to: x)
            if !isLast { try trace?(.layer(index), start, x) }
        }
    }

    /// The logits of hidden states after the last layer, some rows at a time.
    private func computeLogits(
        _ rows: [LlamaPass.Row], of states: Matrix,
        _ consume: (ArraySlice<LlamaPass.Row>, Matrix) throws -> Void
    ) throws {
        for start in stride(from: 0, to: rows.count, by: logitsBlock) {
            let block = start..<min(start + logitsBlock, rows.count)
            try consume(rows[block], logits(of: states, rows: block))
        }
    }

    /// logits = output(norm(x)) for rows of hidden states after the last layer: `[rows, vocabulary]`, until the next
    /// call.
    ///
    /// - Parameter rows: At most `logitsBlock`.
    func logits(of states: Matrix, rows: Range<Int>) throws -> Matrix {
        let s = state
        s.selected.rows = rows.count
        for (index, row) in rows.enumerated() { states.withRow(row) { s.selected.fill(row: index, with: $0) } }
        try engine.rmsNorm(s.selected, weight: weights.finalNorm, epsilon: configuration.normEpsilon, into: s.normed)
        try engine.multiply(weights.output, s.normed, into: s.logits)  // [rows, vocabulary]
        return s.logits
    }
}
