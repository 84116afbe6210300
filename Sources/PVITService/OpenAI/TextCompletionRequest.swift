import PVITModel
import Storage
import Tensors

/// The body of `/v1/completions`.
struct TextCompletionRequest: Sendable {
    let parameters: GenerationParameters
    /// Whether the answer begins with the prompt.
    let echoes: Bool
    private let prompts: [Prompt]

    private enum Prompt: Sendable {
        case text(String)
        case tokens([TokenID])
    }

    private static let promptLimit = 16
    /// OpenAI's default.
    private static let defaultTokens = 16

    /// - Throws: A `ServiceError` that names the member at fault.
    init(_ request: RequestObject, _ facts: ModelFacts) throws {
        var parameters = try GenerationParameters(
            request, defaultTokens: Self.defaultTokens, vocabularySize: facts.vocabularySize)
        parameters.report(logprobCount: try request.integer("logprobs", in: 0...5))
        self.parameters = parameters
        echoes = try request.bool("echo") ?? false
        if echoes, parameters.options.logprobCount != nil {
            throw request.invalid("echo", "cannot be combined with logprobs")
        }
        guard request["suffix"] == nil else { throw request.invalid("suffix", "is not supported") }
        if let best = try request.integer("best_of", in: 1...20), best != parameters.choiceCount {
            throw request.invalid("best_of", "must equal n")
        }
        prompts = try Self.prompts(request)
    }

    private static func prompts(_ request: RequestObject) throws -> [Prompt] {
        func tokens(_ values: [JSONValue]) -> [TokenID]? {
            let tokens = values.compactMap { $0.integer.flatMap { TokenID(exactly: $0) } }
            return tokens.count == values.count && !tokens.isEmpty ? tokens : nil
        }
        guard let value = request["prompt"] else { throw request.invalid("prompt", "is missing") }
        if let text = value.string { return [.text(text)] }
        let array = value.array ?? []
        if let list = tokens(array) { return [.tokens(list)] }
        let prompts = array.compactMap { element -> Prompt? in
            element.string.map { .text($0) } ?? element.array.flatMap(tokens).map { .tokens($0) }
        }
        guard prompts.count == array.count, (1...promptLimit).contains(prompts.count) else {
            throw request.invalid(
                "prompt", "is not a string, an array of token numbers, or an array of 1 to \(promptLimit) of these")
        }
        return prompts
    }

    /// The text of a prompt.
    func text(ofPrompt index: Int, _ facts: ModelFacts) -> String {
        switch prompts[index] {
        case .text(let text): text
        case .tokens(let tokens): facts.prompts.tokenizer.decode(tokens, skipSpecial: false)
        }
    }

    /// What to compute: the choices of the first prompt, then those of the next.
    ///
    /// - Throws: A `ServiceError`.
    func tasks(_ facts: ModelFacts) throws -> [AnswerTask] {
        do {
            return try prompts.flatMap { prompt in
                let room = PromptRoom(contextLength: facts.contextLength, answerCount: 0, mayCut: false)
                let made =
                    switch prompt {
                    case .text(let text): try facts.prompts.prompt(ofRaw: text, room: room)
                    case .tokens(let tokens): try facts.prompts.prompt(ofTokens: tokens)
                    }
                guard !made.tokens.isEmpty else {
                    throw ServiceError.invalid("prompt has no tokens", param: "prompt")
                }
                try facts.checkRoom(for: made)
                return (0..<parameters.choiceCount).map { choice in
                    AnswerTask(
                        prompt: made, options: parameters.options(choice: choice), ends: facts.prompts.endTokens,
                        continuesText: true)
                }
            }
        } catch {
            throw ServiceError(error, whileComputing: false, param: "prompt")
        }
    }
}
