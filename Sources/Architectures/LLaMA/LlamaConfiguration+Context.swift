extension LlamaConfiguration {
    /// The longest context for which results are those of the original: all positions that the model was trained for,
    /// as long as they lie within its window of attention. Attention over a window equals full attention until then.
    public var maximumPositions: Int { min(trainedPositions, slidingWindow ?? trainedPositions) }

    /// What a user should know of texts of `length` tokens; nil if the model is at home there.
    public func contextNote(length: Int) -> String? {
        if length > trainedPositions {
            return "a context of \(length) tokens is longer than the \(trainedPositions) that the model was trained "
                + "for (max_position_embeddings): beyond them answers get worse"
        }
        guard let slidingWindow, length > slidingWindow else { return nil }
        return "the model was trained with a sliding window of \(slidingWindow) tokens, and here every token attends "
            + "to all before it: in a context of \(length), results beyond \(slidingWindow) tokens differ from the "
            + "original's"
    }
}
