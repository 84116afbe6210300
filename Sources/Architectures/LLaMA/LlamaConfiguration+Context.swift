extension LlamaConfiguration {
    /// The longest context with the results of the original model: the trained positions, at most the attention window.
    /// Up to that length, attention over a window equals full attention.
    package var maximumPositions: Int { min(trainedPositions, slidingWindow ?? trainedPositions) }

    /// What a user should know about a context of `length` tokens; nil if the model was trained for it.
    package func contextNote(length: Int) -> String? {
        if length > trainedPositions {
            return "the context of \(length) tokens exceeds the \(trainedPositions) that the model was trained for "
                + "(max_position_embeddings); answers get worse beyond them"
        }
        guard let slidingWindow, length > slidingWindow else { return nil }
        return "the model was trained with a sliding window of \(slidingWindow) tokens, but pvit attends to the whole "
            + "context: beyond \(slidingWindow) of the \(length) tokens, results differ from the original's"
    }
}
