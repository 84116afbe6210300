/// The state of one of several texts that a model reads side by side.
public final class LlamaSequence {
    /// The keys and values of the positions that were read.
    public var cache: KVCache

    /// Creates a sequence with a cache of its own.
    public init(_ cache: consuming KVCache) { self.cache = cache }
}

/// The next input of one sequence in a batch.
public struct SequenceInput {
    /// The sequence that the input continues.
    public let sequence: LlamaSequence
    /// What the model reads.
    public let input: LlamaInput
    /// The positions of the input for which logits are computed.
    public let logits: LogitsSelection

    /// Creates an input of at least one position.
    public init(_ sequence: LlamaSequence, _ input: LlamaInput, logits: LogitsSelection = .last) {
        self.sequence = sequence
        self.input = input
        self.logits = logits
    }
}
