import Tensors

/// A prompt for a scheduler, and how to answer it.
package struct AnswerTask: Sendable {
    let prompt: ModelPrompt
    let options: GenerationOptions
    let ends: Set<TokenID>
    let continuesText: Bool
    let constraint: (any AnswerConstraint)?

    /// Creates a task.
    ///
    /// - Parameters:
    ///   - prompt: The prompt.
    ///   - options: How to answer. `overflow` and `speculation` are ignored: an answer ends when the context is full.
    ///   - ends: The tokens that end the answer.
    ///   - continuesText: Whether the answer continues the text of the prompt (see `Answer`).
    ///   - constraint: The rule that the answer follows; nil for none.
    package init(
        prompt: ModelPrompt, options: GenerationOptions, ends: Set<TokenID>, continuesText: Bool = false,
        constraint: (any AnswerConstraint)? = nil
    ) {
        self.prompt = prompt
        self.options = options
        self.ends = ends
        self.continuesText = continuesText
        self.constraint = constraint
    }
}
