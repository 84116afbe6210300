import PVITModel
import Storage
import SystemPackage

/// The body of `/v1/chat/completions`.
struct ChatRequest: Sendable {
    let parameters: GenerationParameters
    private let content: ConversationContent
    private let tools: [JSONValue]
    private let format: ResponseFormat

    /// - Throws: A `ServiceError` that names the member at fault.
    init(_ request: RequestObject, _ facts: ModelFacts, mediaFolder: FilePath?) throws {
        var parameters = try GenerationParameters(
            request, defaultTokens: nil, vocabularySize: facts.vocabularySize)
        let topCount = try request.integer("top_logprobs", in: 0...20)
        if try request.bool("logprobs") ?? false {
            parameters.report(logprobCount: topCount ?? 0)
        } else if let topCount, topCount > 0 {
            throw request.invalid("top_logprobs", "needs logprobs to be true")
        }
        self.parameters = parameters
        format = try ResponseFormat(request)
        tools = try Self.tools(request, facts)
        guard let messages = try request.array("messages") else { throw request.invalid("messages", "is missing") }
        content = try ConversationContent(messages, mediaFolder: mediaFolder)
    }

    private static func tools(_ request: RequestObject, _ facts: ModelFacts) throws -> [JSONValue] {
        guard request["functions"] == nil else {
            throw request.invalid("functions", "is not supported: use tools")
        }
        let tools = try request.array("tools") ?? []
        let choice = request["tool_choice"]
        if tools.isEmpty || choice == "none" { return [] }
        guard choice == nil || choice == "auto" else {
            throw request.invalid("tool_choice", "must be auto or none: a call cannot be forced")
        }
        guard (try? facts.prompts.chatTemplate.knowsTools) == true else {
            throw request.invalid("tools", "cannot be used: the model's chat template does not know tools")
        }
        return tools
    }

    /// What to compute, one task for each choice.
    ///
    /// - Throws: A `ServiceError`.
    func tasks(_ facts: ModelFacts, _ images: ImageCache) throws -> [AnswerTask] {
        var image: PreparedImage?
        if let (source, param) = content.image {
            do {
                image = try images.image(source, facts.prompts)
            } catch {
                throw ServiceError(error, whileComputing: false, param: param)
            }
        }
        do {
            let messages = try content.messages(about: image)
            let room = PromptRoom(contextLength: facts.contextLength, answerCount: 0, mayCut: false)
            let prompt = try facts.prompts.prompt(of: messages, image: image, tools: tools, room: room)
            try facts.checkRoom(for: prompt)
            return try (0..<parameters.choiceCount).map { choice in
                let options = parameters.options(choice: choice)
                let turn = try facts.prompts.turn(options)
                let constraint = format.constraint(facts, ends: turn.ends)
                // A text that ends a turn would cut a JSON string that happens to contain it.
                return AnswerTask(
                    prompt: prompt, options: constraint == nil ? turn.options : options, ends: turn.ends,
                    constraint: constraint)
            }
        } catch {
            throw ServiceError(error, whileComputing: false, param: "messages")
        }
    }
}

extension ModelFacts {
    /// Checks that a prompt fits the context and leaves room for an answer.
    ///
    /// - Throws: `model.context-full`.
    func checkRoom(for prompt: ModelPrompt) throws {
        guard prompt.tokens.count < contextLength else {
            throw PVITError.contextFull(prompt.tokens.count + 1, capacity: contextLength, modelLength: trainedLength)
        }
    }
}
