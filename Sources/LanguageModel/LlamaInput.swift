import Architectures
import Tensors
import Tokenization

/// What a decoder reads.
public enum LlamaInput: Sendable {
    /// Tokens, whose embeddings are looked up.
    case tokens([TokenID])
    /// Embeddings, some of which may come from elsewhere than the vocabulary.
    case embeddings(TokenEmbeddings)

    /// The number of positions.
    public var count: Int {
        switch self {
        case .tokens(let tokens): tokens.count
        case .embeddings(let embeddings): embeddings.count
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

/// Embeddings of consecutive positions: `[count, width]`, row by row.
public struct TokenEmbeddings: Sendable {
    /// The numbers, row by row.
    public private(set) var values: [Float]
    /// The number of columns.
    public let width: Int

    /// The number of positions.
    public var count: Int { width > 0 ? values.count / width : 0 }

    init(values: [Float], width: Int) {
        self.values = values
        self.width = width
    }

    /// Puts other numbers in the place of one position's.
    ///
    /// - Throws: `tensor.mismatch` when there is no such position or `embedding` is not `width` numbers.
    public mutating func replace(_ position: Int, with embedding: [Float]) throws {
        guard (0..<count).contains(position), embedding.count == width else {
            throw PVITError(
                .tensorMismatch,
                "\(embedding.count) numbers cannot be position \(position) of embeddings [\(count), \(width)]")
        }
        values.replaceSubrange(position * width..<(position + 1) * width, with: embedding)
    }

    func withRow(_ position: Int, _ body: (Span<Float>) throws -> Void) rethrows {
        try body(values.span.extracting(position * width..<(position + 1) * width))
    }
}

/// For which positions of an input logits are computed.
public enum LogitsSelection: Sendable, Hashable {
    /// For none: the input only fills the cache.
    case none
    /// For the last one.
    case last
    /// For all from a place of the input on, counted from 0.
    case from(Int)

    func range(of count: Int) -> Range<Int> {
        switch self {
        case .none: count..<count
        case .last: count - 1..<count
        case .from(let first): min(max(first, 0), count)..<count
        }
    }
}

/// Sees hidden states `[tokens, hidden]` while a model computes; the number is the place of their first token in the
/// input.
public struct HiddenStateTrace {
    /// Where in the model.
    public enum Stage: Sendable, Hashable {
        /// The embeddings of the tokens.
        case embedding
        /// After a layer, counted from 0; after the last one, `final` is seen in its place.
        case layer(Int)
        /// After the last layer and the final norm.
        case final
    }

    private let body: (Stage, _ position: Int, _ state: Span<Float>) throws -> Void

    /// Creates a trace.
    ///
    /// - Parameter body: Called for each position, the numbers being its hidden state.
    public init(_ body: @escaping (Stage, _ position: Int, _ state: Span<Float>) throws -> Void) { self.body = body }

    func callAsFunction(_ stage: Stage, _ start: Int, _ states: ActivationMatrix) throws {
        for row in 0..<states.rows { try states.withRow(row) { try body(stage, start + row, $0) } }
    }
}

extension PVITError.Code {
    /// A token that the vocabulary lacks, or no token at all.
    public static let modelToken = Self("model.token", .usage)
}
