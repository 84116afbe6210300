import Architectures
import Compute

/// The activations of one pass, allocated once; memory of rows that are never used stays untouched.
final class LlamaState {
    let residual: Matrix  // [tokens, hidden]
    let normed: Matrix  // [tokens, hidden]
    let update: Matrix  // [tokens, hidden]
    let query: Matrix  // [tokens, heads * width]
    let key: Matrix  // [tokens, key/value heads * width]
    let value: Matrix  // [tokens, key/value heads * width]
    let attended: Matrix  // [tokens, heads * width]
    let gate: Matrix  // [tokens, intermediate]
    let up: Matrix  // [tokens, intermediate]
    let angles: Matrix  // [tokens, width]
    let selected: Matrix  // [some tokens, hidden]
    let logits: Matrix  // [some tokens, vocabulary]

    /// - Parameter logitsRowCount: The most positions whose logits are computed at a time.
    init(_ configuration: LlamaConfiguration, capacity: Int, logitsRowCount: Int) {
        func matrix(_ columns: Int, rows: Int = capacity) -> Matrix {
            Matrix(rows: rows, columns: columns)
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
        selected = matrix(hidden, rows: logitsRowCount)
        logits = matrix(configuration.vocabularySize, rows: logitsRowCount)
    }

    /// What the activations of `capacity` tokens take: the matrices above, and those that are multiplied by once more
    /// as integers of up to 16 bits, with a scale and a sum for 32 of them.
    ///
    /// - Parameter logitsRowCount: The most positions whose logits are computed at a time.
    static func byteCount(_ configuration: LlamaConfiguration, capacity: Int, logitsRowCount: Int) -> Int {
        let (hidden, width) = (configuration.hiddenSize, configuration.headWidth)
        let (query, key) = (configuration.headCount * width, configuration.keyValueHeadCount * width)
        let floats = 3 * hidden + 2 * query + 2 * key + 2 * configuration.intermediateSize + width
        let integers = hidden + query + configuration.intermediateSize
        return capacity * (4 * floats + integers * 9 / 4)
            + logitsRowCount * 4 * (hidden + configuration.vocabularySize)
    }
}
