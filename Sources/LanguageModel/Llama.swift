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
    /// - Parameter plan: Where the weights are and how many tokens go together; by default in the mapped file, and 256.
    /// - Throws: `tensor.not-found` or `tensor.mismatch` when they are not what `configuration` asks for; the errors of
    ///   opening the file once more when weights are streamed.
    public init(
        _ configuration: LlamaConfiguration, in container: Container, engine: ComputeEngine, plan: MemoryPlan? = nil
    ) throws {
        self.configuration = configuration
        self.engine = engine
        batchSize = plan?.batchSize ?? 256
        stream = try plan?.weights.stream(LlamaWeights.passOrder(configuration), in: container)
        do {
            weights = try LlamaWeights(configuration, in: container, stream: stream)
        } catch {
            stream?.stop()
            throw error
        }
        rotary = RotaryEmbedding(configuration.rotary, headWidth: configuration.headWidth)
        state = LlamaState(configuration, capacity: batchSize)
    }

    deinit { stream?.stop() }

    /// What reading weights cost so far; nothing when they are used from the mapped file.
    public var streamStatistics: StreamStatistics { stream?.statistics ?? StreamStatistics() }

    /// Reads `input` after the positions that `cache` holds, and gives the logits that follow positions to `consume`.
    ///
    /// - Parameters:
    ///   - input: At least one position.
    ///   - cache: Gets the new positions. After an error it holds those of the parts before.
    ///   - logits: For which positions of the input logits are computed.
    ///   - trace: Sees the hidden states between the layers.
    ///   - consume: Gets the place of a position in the input, from 0, and its logits `[vocabulary]`, in order.
    /// - Throws: `model.context-full` when the input does not fit the cache, `model.token` for a token that the vocabulary
    ///   lacks, errors of the container's tiles, and what `consume` throws.
    public func forward(
        _ input: LlamaInput, cache: inout KVCache, logits: LogitsSelection = .last, trace: HiddenStateTrace? = nil,
        _ consume: (_ position: Int, _ logits: Span<Float>) throws -> Void = { _, _ in }
    ) throws {
        try forwardInBlocks(input, cache: &cache, logits: logits, trace: trace) { positions, logits in
            for (row, position) in positions.enumerated() { try logits.withRow(row) { try consume(position, $0) } }
        }
    }

    /// The same with the logits of some positions at a time: `[positions, vocabulary]`, at most `logitsBlock` rows.
    func forwardInBlocks(
        _ input: LlamaInput, cache: inout KVCache, logits: LogitsSelection, trace: HiddenStateTrace? = nil,
        _ consume: (_ positions: Range<Int>, _ logits: ActivationMatrix) throws -> Void
    ) throws {
        try input.check(configuration)
        try cache.checkRoom(for: input.count)
        let selected = logits.range(of: input.count)
        for start in stride(from: 0, to: input.count, by: batchSize) {
            let range = start..<min(start + batchSize, input.count)
            try embed(input, range)
            let wanted = selected.clamped(to: range)
            // A trace sees the last layer's output at all positions; logits need it where they are wanted.
            let kept = trace == nil ? wanted : range
            try runLayers(&cache, trace, from: start, keeping: kept)
            try computeLogits(wanted, of: kept, trace, consume)
        }
    }

    /// The embeddings of tokens: `[tokens, hidden]`.
    ///
    /// - Throws: `model.token` for a token that the vocabulary lacks.
    public func embeddings(of tokens: [TokenID]) throws -> TokenEmbeddings {
        try LlamaInput.tokens(tokens).check(configuration)
        let result = ActivationMatrix(capacity: tokens.count, columns: configuration.hiddenSize)
        try engine.lookUp(tokens.map { Int($0.rawValue) }, in: weights.embedding, into: result)
        var values: [Float] = []
        for row in 0..<tokens.count {
            result.withRow(row) { $0.withUnsafeBufferPointer { values.append(contentsOf: $0) } }
        }
        return TokenEmbeddings(values: values, width: configuration.hiddenSize)
    }

    private func embed(_ input: LlamaInput, _ range: Range<Int>) throws {
        let x = state.residual
        x.rows = range.count
        switch input {
        case .tokens(let tokens):
            try engine.lookUp(tokens[range].map { Int($0.rawValue) }, in: weights.embedding, into: x)
        case .embeddings(let embeddings):
            for (row, position) in range.enumerated() {
                embeddings.withRow(position) { x.fill(row: row, with: $0) }
            }
        }
    }

    /// Takes `state.residual` through all layers: `[tokens, hidden]`, from position `start` of the input on. Of the last layer's
    /// output only the positions `kept` are computed, and stay.
    private func runLayers(
        _ cache: inout KVCache, _ trace: HiddenStateTrace?, from start: Int, keeping kept: Range<Int>
    ) throws {
        let (x, s) = (state.residual, state)
        let epsilon = configuration.normEpsilon
        let tokens = x.rows
        s.angles.rows = tokens
        try engine.rotaryAngles(rotary, from: cache.count, into: s.angles)  // [tokens, width]
        try trace?(.embedding, start, x)

        for (index, layer) in weights.layers.enumerated() {
            // x += o(attention(rotate(q(norm(x))), rotate(k(norm(x))), v(norm(x))))
            try engine.rmsNorm(x, layer.attentionNorm, epsilon: epsilon, into: s.normed)  // [tokens, hidden]
            let isLast = index == weights.layers.count - 1
            var skipped = 0
            if isLast, kept.count < tokens {
                try engine.multiply(layer.keyValue, s.normed, into: s.key, s.value)
                try engine.rotateAndStore(key: s.key, value: s.value, angles: s.angles, layer: index, cache: cache)
                guard !kept.isEmpty else { break }
                skipped = kept.lowerBound - start
                for matrix in [x, s.normed, s.angles] { matrix.keepRows(skipped..<kept.upperBound - start) }
                try engine.multiply(layer.query, s.normed, into: s.query)
            } else {
                // [tokens, heads * width], 2 x [tokens, key/value heads * width]
                try engine.multiply(layer.queryKeyValue, s.normed, into: s.query, s.key, s.value)
                try engine.rotateAndStore(key: s.key, value: s.value, angles: s.angles, layer: index, cache: cache)
            }
            try engine.rotate(s.query, angles: s.angles, headWidth: configuration.headWidth)
            try engine.attend(  // [tokens, heads * width]
                query: s.query, from: cache.count + skipped, layer: index, cache: cache, into: s.attended)
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
        cache.append(tokens)
    }

    /// logits = output(norm(x)) for the positions `selected` of `range`, which are x, some rows at a time.
    private func computeLogits(
        _ selected: Range<Int>, of range: Range<Int>, _ trace: HiddenStateTrace?,
        _ consume: (Range<Int>, ActivationMatrix) throws -> Void
    ) throws {
        let (x, s) = (state.residual, state)
        let epsilon = configuration.normEpsilon
        if let trace {
            try engine.rmsNorm(x, weights.finalNorm, epsilon: epsilon, into: s.normed)
            try trace(.final, range.lowerBound, s.normed)
        }
        for start in stride(from: selected.lowerBound, to: selected.upperBound, by: Self.logitsBlock) {
            let positions = start..<min(start + Self.logitsBlock, selected.upperBound)
            s.selected.rows = positions.count
            for (row, position) in positions.enumerated() {
                x.withRow(position - range.lowerBound) { s.selected.fill(row: row, with: $0) }
            }
            try engine.rmsNorm(s.selected, weights.finalNorm, epsilon: epsilon, into: s.normed)  // [rows, hidden]
            try engine.multiply(weights.output, s.normed, into: s.logits)  // [rows, vocabulary]
            try consume(positions, s.logits)
        }
    }
}

/// The activations of one batch, allocated once.
final class LlamaState {
    let residual: ActivationMatrix  // [tokens, hidden]
    let normed: ActivationMatrix  // [tokens, hidden]
    let update: ActivationMatrix  // [tokens, hidden]
    let query: ActivationMatrix  // [tokens, heads * width]
    let key: ActivationMatrix  // [tokens, key/value heads * width]
    let value: ActivationMatrix  // [tokens, key/value heads * width]
    let attended: ActivationMatrix  // [tokens, heads * width]
    let gate: ActivationMatrix  // [tokens, intermediate]
    let up: ActivationMatrix  // [tokens, intermediate]
    let angles: ActivationMatrix  // [tokens, width]
    let selected: ActivationMatrix  // [some tokens, hidden]
    let logits: ActivationMatrix  // [some tokens, vocabulary]

    init(_ configuration: LlamaConfiguration, capacity: Int) {
        func matrix(_ columns: Int, rows: Int = capacity) -> ActivationMatrix {
            ActivationMatrix(capacity: rows, columns: columns)
        }
        let (hidden, width) = (configuration.hiddenSize, configuration.headWidth)
        residual = matrix(hidden)
        normed = matrix(hidden)
        update = matrix(hidden)
        query = matrix(configuration.headCount * width)
        key = matrix(configuration.keyValueHeadCount * width)
        value = matrix(configuration.keyValueHeadCount * width)
        attended = matrix(configuration.headCount * width)
        gate = matrix(configuration.intermediateSize)
        up = matrix(configuration.intermediateSize)
        angles = matrix(width)
        selected = matrix(hidden, rows: Llama.logitsBlock)
        logits = matrix(configuration.vocabularySize, rows: Llama.logitsBlock)
    }

    /// What the activations of `capacity` tokens take: the matrices above, and those that are multiplied by once more as
    /// integers of up to 16 bits, with a scale and a sum for 32 of them.
    static func byteCount(_ configuration: LlamaConfiguration, capacity: Int) -> Int {
        let (hidden, width) = (configuration.hiddenSize, configuration.headWidth)
        let (query, key) = (configuration.headCount * width, configuration.keyValueHeadCount * width)
        let floats = 3 * hidden + 2 * query + 2 * key + 2 * configuration.intermediateSize + width
        let integers = hidden + query + configuration.intermediateSize
        return capacity * (4 * floats + integers * 9 / 4)
            + Llama.logitsBlock * 4 * (hidden + configuration.vocabularySize)
    }
}
