/// The state of one of several texts that a model reads side by side.
package final class LlamaSequence {
    /// The keys and values of the positions that were read.
    package var cache: KVCache

    /// Creates a sequence with a cache of its own.
    package init(_ cache: consuming KVCache) { self.cache = cache }
}

/// The next input of one sequence in a batch.
package struct SequenceInput {
    /// The sequence that the input continues.
    package let sequence: LlamaSequence
    /// What the model reads.
    package let input: LlamaInput
    /// The positions of the input for which logits are computed.
    package let logits: LogitsSelection

    /// Creates an input of at least one position.
    package init(_ sequence: LlamaSequence, _ input: LlamaInput, logits: LogitsSelection = .last) {
        self.sequence = sequence
        self.input = input
        self.logits = logits
    }
}
