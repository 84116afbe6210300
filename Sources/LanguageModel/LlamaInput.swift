import Architectures
import Compute
import Storage
import Tensors

/// The input of a decoder.
package enum LlamaInput: Sendable {
    /// Tokens. The decoder looks up their embeddings.
    case tokens([TokenID])
    /// Embeddings, some of which may come from outside the vocabulary.
    case embeddings(TokenEmbeddings)

    /// The number of positions.
    package var count: Int {
        switch self {
        case .tokens(let tokens): tokens.count
        case .embeddings(let embeddings): embeddings.count
        }
    }

    /// Some of the positions.
    package func slice(_ positions: Range<Int>) -> LlamaInput {
        switch self {
        case .tokens(let tokens): .tokens(Array(tokens[positions]))
        case .embeddings(let embeddings): .embeddings(embeddings.slice(positions))
        }
    }

    func check(_ configuration: LlamaConfiguration) throws {
        switch self {
        case .tokens(let tokens):
            let vocabulary = 0..<configuration.vocabularySize
            if let unknown = tokens.first(where: { !vocabulary.contains(Int($0.rawValue)) }) {
                throw PVITError(
                    .modelToken, "token \(unknown.rawValue) is not in the vocabulary of \(vocabulary.upperBound)")
            }
        case .embeddings(let embeddings):
            guard embeddings.width == configuration.hiddenSize else {
                throw PVITError(
                    .tensorMismatch,
                    "embeddings are \(embeddings.width) wide, and the model is \(configuration.hiddenSize) wide")
            }
        }
        guard count > 0 else { throw PVITError(.modelToken, "there is nothing to read: the text has no tokens") }
    }
}

/// Embeddings of consecutive positions: `[count, width]`. They do not change.
package struct TokenEmbeddings: Sendable {
    private let rows: Matrix

    /// The number of positions.
    package var count: Int { rows.rows }
    /// The length of an embedding.
    package var width: Int { rows.columns }
    /// A copy of the numbers: `[count, width]`, row by row.
    package var values: [Float] { rows.values() }

    init(_ rows: Matrix) { self.rows = rows }

    /// Some of the positions, in the same memory.
    func slice(_ positions: Range<Int>) -> TokenEmbeddings { TokenEmbeddings(rows.slice(positions)) }

    func withRow(_ position: Int, _ body: (Span<Float>) throws -> Void) rethrows {
        try rows.withRow(position, body)
    }
}

/// The positions of an input for which logits are computed.
package enum LogitsSelection: Sendable, Hashable {
    /// None: the input only fills the cache.
    case none
    /// The last one.
    case last
    /// All from an index of the input on.
    case from(Int)

    func range(of count: Int) -> Range<Int> {
        switch self {
        case .none: count..<count
        case .last: count - 1..<count
        case .from(let first): min(max(first, 0), count)..<count
        }
    }
}

/// Receives the hidden states `[tokens, hidden]` while a model computes.
package struct HiddenStateTrace {
    /// A point in the model.
    package enum Stage: Sendable, Hashable {
        /// The embeddings of the tokens.
        case embedding
        /// After a layer, counted from 0. The last layer has `final` instead.
        case layer(Int)
        /// After the last layer and the final norm.
        case final
    }

    private let body: (Stage, _ position: Int, _ state: Span<Float>) throws -> Void

    /// Creates a trace.
    ///
    /// - Parameter body: Called for each position, with its index in the input and its hidden state `[hidden]`.
    package init(_ body: @escaping (Stage, _ position: Int, _ state: Span<Float>) throws -> Void) { self.body = body }

    func callAsFunction(_ stage: Stage, _ start: Int, _ states: Matrix) throws {
        for row in 0..<states.rows { try states.withRow(row) { try body(stage, start + row, $0) } }
    }
}

extension PVITError.Code {
    /// A token outside the vocabulary, or no token at all.
    package static let modelToken = Self("model.token", .usage)
}
