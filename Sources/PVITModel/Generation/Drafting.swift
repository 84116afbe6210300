import LanguageModel

/// The guesses of a draft model for one answer.
struct Drafting {
    /// How many tokens are guessed.
    var pace: DraftPace
    private let draft: DraftModel
    private var sampler: Sampler

    /// - Parameter options: How the answer is sampled, and so its guesses.
    /// - Throws: `sampling.option`.
    init(_ draft: DraftModel, _ options: SamplingOptions) throws {
        self.draft = draft
        var options = options
        // Guesses need random numbers other than those that accept them.
        options.seed ^= 0x6472_6166_745F_3137
        sampler = try Sampler(options)
        pace = DraftPace(relativeCost: draft.relativeCost, measures: sampler.isGreedy)
    }

    /// Guesses how an answer continues.
    ///
    /// - Parameters:
    ///   - room: The maximum number of guesses.
    ///   - positions: The content of the model's cache.
    mutating func guesses(
        after answer: Answer, room: Int, _ positions: [ModelPrompt.Position]
    ) throws -> [GuessedToken] {
        // The draft model does not see images.
        let context = positions.compactMap { if case .token(let token) = $0 { token } else { nil } }
        return try draft.guesses(
            after: context + answer.history.suffix(1), history: answer.history,
            promptCount: answer.prompt.tokens.count, room: room, &sampler, &pace)
    }
}
