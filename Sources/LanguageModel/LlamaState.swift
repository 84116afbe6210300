import Architectures

/// The activations of one pass, allocated once; memory of rows that are never used stays untouched.
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

    /// What the activations of `capacity` tokens take: the matrices above, and those that are multiplied by once more
    /// as integers of up to 16 bits, with a scale and a sum for 32 of them.
    static func byteCount(_ configuration: LlamaConfiguration, capacity: Int) -> Int {
        let (hidden, width) = (configuration.hiddenSize, configuration.headWidth)
        let (query, key) = (configuration.headCount * width, configuration.keyValueHeadCount * width)
        let floats = 3 * hidden + 2 * query + 2 * key + 2 * configuration.intermediateSize + width
        let integers = hidden + query + configuration.intermediateSize
        return capacity * (4 * floats + integers * 9 / 4)
            + Llama.logitsBlock * 4 * (hidden + configuration.vocabularySize)
    }
}
