import Architectures
import Container
import Tensors
import Tokenization

/// A LLaMA-family decoder (LLaMA, arXiv 2302.13971; grouped queries, arXiv 2305.13245): text goes in as tokens or as
/// embeddings, logits come out.
///
/// Weights stay in the container's mapped file. One computation at a time.
public final class Llama {
    /// The most tokens that go through the layers together; longer inputs go in parts.
    public let batchSize: Int
    /// The same where only the time of the whole counts, as in measuring over texts.
    let largestBatchSize: Int
    /// Without a plan: for answers, which shall begin soon, and for what takes long anyway.
    private static let ordinaryBatchSizes = 256...1024
    /// The most positions whose logits are held at a time.
    static let logitsBlock = 64

    /// Sizes and constants.
    public let configuration: LlamaConfiguration
    /// What computes.
    public let engine: ComputeEngine
    private let weights: LlamaWeights
    private let rotary: RotaryEmbedding
    private let state: LlamaState
    private let stream: WeightStream?

    /// Opens the weights of a container.
    ///
    /// - Parameters:
    ///   - weights: Where the weights are.
    ///   - batchSize: The most tokens that ever go through the layers together.
    /// - Throws: `tensor.not-found` or `tensor.mismatch` when they are not what `configuration` asks for; the errors of
    ///   opening the file once more when weights are streamed.
    public init(
        _ configuration: LlamaConfiguration, in container: Container, engine: ComputeEngine,
        weights: MemoryPlan.WeightPlace = .mapped, batchSize: Int? = nil
    ) throws {
        self.configuration = configuration
        self.engine = engine
        largestBatchSize = batchSize ?? Self.ordinaryBatchSizes.upperBound
        self.batchSize = min(largestBatchSize, Self.ordinaryBatchSizes.lowerBound)
        stream = try weights.stream(LlamaWeights.passOrder(configuration), in: container)
        do {
            self.weights = try LlamaWeights(configuration, in: container, stream: stream)
        } catch {
            stream?.stop()
            throw error
        }
        rotary = RotaryEmbedding(configuration.rotary, headWidth: configuration.headWidth)
        state = LlamaState(configuration, capacity: largestBatchSize)
    }

    deinit { stream?.stop() }

    /// What reading weights cost so far; nothing when they are used from the mapped file.
    public var streamStatistics: StreamStatistics { stream?.statistics ?? StreamStatistics() }

    /// Reads `input` after the positions that `cache` holds, and gives the logits that follow positions to `consume`.
    ///
    /// - Parameters:
    ///   - input: At least one position.
    ///   - cache: Gets the new positions. After an error it holds those of the passes before.
    ///   - logits: For which positions of the input logits are computed.
    ///   - trace: Sees the hidden states between the layers.
    ///   - consume: Gets the place of a position in the input, from 0, and its logits `[vocabulary]`, in order.
    ///   - read: Told after each pass how many positions of the input were read.
    /// - Throws: `model.context-full` when the input does not fit the cache, `model.token` for a token that the
    ///   vocabulary lacks, errors of the container's tiles, and what `consume` throws.
    public func forward(
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

    /// Reads several sequences, each after what its own cache holds, in common passes over the weights. Each gets the
    /// bits that it would get alone.
    ///
    /// - Parameters:
    ///   - batch: Different sequences. After an error their caches hold the positions of the passes before.
    ///   - consume: Gets the place of an input in the batch, the place of a position in that input, and the logits that
    ///     follow it: inputs in order, positions in order.
    /// - Throws: As the `forward` of one sequence.
    public func forward(
        _ batch: [SequenceInput],
        _ consume: (_ input: Int, _ position: Int, _ logits: Span<Float>) throws -> Void = { _, _, _ in }
    ) throws {
        try forwardInBlocks(batch) { rows, logits in
            for (index, row) in rows.enumerated() {
                try logits.withRow(index) { try consume(row.entry, row.position, $0) }
            }
        }
    }

    /// The same with the logits of some positions at a time: `[rows, vocabulary]`, at most `logitsBlock` rows.
    func forwardInBlocks(
        _ batch: [SequenceInput], rowsPerPass: Int? = nil,
        _ consume: (_ rows: ArraySlice<LlamaPass.Row>, _ logits: ActivationMatrix) throws -> Void
    ) throws {
        try forwardToStates(batch, rowsPerPass: rowsPerPass) { try computeLogits($0, of: $1, consume) }
    }

    /// The same with the hidden states after the last layer, from which `logits(of:rows:)` are computed: `[rows,
    /// hidden]`.
    func forwardToStates(
        _ batch: [SequenceInput], rowsPerPass: Int? = nil,
        _ consume: (_ rows: [LlamaPass.Row], _ states: ActivationMatrix) throws -> Void
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

    /// The embeddings of tokens: `[tokens, hidden]`.
    ///
    /// - Throws: `model.token` for a token that the vocabulary lacks.
    public func embeddings(of tokens: [TokenID]) throws -> TokenEmbeddings {
        try LlamaInput.tokens(tokens).check(configuration)
        let result = ActivationMatrix(capacity: tokens.count, columns: configuration.hiddenSize)
        let rows = tokens.enumerated().map { (row: $0, index: Int($1.rawValue)) }
        try engine.lookUp(rows, in: weights.embedding, into: result)
        var values: [Float] = []
        for row in 0..<tokens.count {
            result.withRow(row) { $0.withUnsafeBufferPointer { values.append(contentsOf: $0) } }
        }
        return TokenEmbeddings(values: values, width: configuration.hiddenSize)
    }

    private func check(_ input: LlamaInput, _ cache: borrowing KVCache) throws {
        try input.check(configuration)
        try cache.check(configuration)
        try cache.checkRoom(for: input.count)
    }

    /// Takes a batch through the layers, some rows at a time.
    ///
    /// - Parameters:
    ///   - read: Told after each pass how many positions of an entry's input were read.
    ///   - consume: Gets the positions whose logits are wanted and their hidden states after the last layer.
    private func run(
        _ batch: [BatchEntry], rowsPerPass: Int? = nil, trace: HiddenStateTrace? = nil,
        read: (_ entry: Int, _ count: Int) -> Void,
        _ consume: (_ rows: [LlamaPass.Row], _ states: ActivationMatrix) throws -> Void
    ) throws {
        for pass in LlamaPass.passes(of: batch, rowsPerPass: rowsPerPass ?? batchSize) {
            try embed(pass, of: batch)
            let (wanted, wantedRows) = pass.keeping(batch) { segment in
                let entry = batch[segment.entry]
                return entry.logits.range(of: entry.input.count).clamped(to: segment.positions)
            }
            // A trace sees the last layer's output at all positions; logits need it where they are wanted.
            let isTraced = trace != nil
            try runLayers(pass, keeping: isTraced ? nil : (wanted, wantedRows), trace)
            for segment in pass.segments { read(segment.entry, segment.rows.count) }
            if let trace {
                try engine.rmsNorm(
                    state.residual, weights.finalNorm, epsilon: configuration.normEpsilon, into: state.normed)
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

    /// Takes `state.residual` through all layers: `[tokens, hidden]`. Of the last layer's output only the rows `kept`
    /// are computed, and stay; all of them when it is nil.
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
            try engine.rmsNorm(x, layer.attentionNorm, epsilon: epsilon, into: s.normed)  // [tokens, hidden]
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
            try engine.rmsNorm(x, layer.feedForwardNorm, epsilon: epsilon, into: s.normed)  // [tokens, hidden]
            try engine.multiply(layer.gateUp, s.normed, into: s.gate, s.up)  // 2 x [tokens, intermediate]
            try engine.swiglu(s.gate, s.up)
            try engine.multiply(layer.down, s.gate, into: s.update)  // [tokens, hidden]
            try engine.add(s.update, to: x)
            if !isLast { try trace?(.layer(index), start, x) }
        }
    }

    /// The logits of hidden states after the last layer, some rows at a time.
    private func computeLogits(
        _ rows: [LlamaPass.Row], of states: ActivationMatrix,
        _ consume: (ArraySlice<LlamaPass.Row>, ActivationMatrix) throws -> Void
    ) throws {
        for start in stride(from: 0, to: rows.count, by: Self.logitsBlock) {
            let block = start..<min(start + Self.logitsBlock, rows.count)
            try consume(rows[block], logits(of: states, rows: block))
        }
    }

    /// logits = output(norm(x)) for rows of hidden states after the last layer: `[rows, vocabulary]`, until the next
    /// call.
    ///
    /// - Parameter rows: At most `logitsBlock`.
    func logits(of states: ActivationMatrix, rows: Range<Int>) throws -> ActivationMatrix {
        let s = state
        s.selected.rows = rows.count
        for (index, row) in rows.enumerated() { states.withRow(row) { s.selected.fill(row: index, with: $0) } }
        try engine.rmsNorm(s.selected, weights.finalNorm, epsilon: configuration.normEpsilon, into: s.normed)
        try engine.multiply(weights.output, s.normed, into: s.logits)  // [rows, vocabulary]
        return s.logits
    }
}
