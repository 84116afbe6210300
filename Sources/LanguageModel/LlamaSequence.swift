/// A text that a model reads beside others: what it remembers of it.
public final class LlamaSequence {
    /// The keys and values of the positions that were read.
    public var cache: KVCache

    /// Takes a cache for a text of its own.
    public init(_ cache: consuming KVCache) { self.cache = cache }
}

/// What a model reads of one sequence while it reads others.
public struct SequenceInput {
    /// The sequence that is continued.
    public let sequence: LlamaSequence
    /// What comes next in it.
    public let input: LlamaInput
    /// For which positions of the input logits are computed.
    public let logits: LogitsSelection

    /// Creates an input of at least one position.
    public init(_ sequence: LlamaSequence, _ input: LlamaInput, logits: LogitsSelection = .last) {
        self.sequence = sequence
        self.input = input
        self.logits = logits
    }
}
