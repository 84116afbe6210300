import Storage

/// A Jinja template that turns a conversation into the text that the model was trained on.
package struct ChatTemplate: Sendable {
    /// Families of templates, each with its own way to end a turn. A template need not belong to one.
    private enum Family: CaseIterable {
        /// `<|im_start|>role … <|im_end|>`
        case chatML
        /// `USER: … ASSISTANT: …`
        case vicuna
        /// `[INST] <<SYS>> … <</SYS>> … [/INST]`
        case llama2
        /// `<|start_header_id|>role<|end_header_id|> … <|eot_id|>`
        case llama3
        /// `### Instruction: … ### Response:`
        case alpaca

        /// Strings that every template of the family contains.
        var markers: [String] {
            switch self {
            case .chatML: ["<|im_start|>", "<|im_end|>"]
            case .vicuna: ["USER: ", "ASSISTANT:"]
            case .llama2: ["[INST]", "<<SYS>>", "[/INST]"]
            case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
            case .alpaca: ["### Instruction:", "### Response:"]
            }
        }

        /// Strings that end the model's turn, besides EOS. Most are special tokens.
        var turnEnds: [String] {
            switch self {
            case .chatML: ["<|im_end|>"]
            case .vicuna: ["</s>"]
            case .llama2: []
            case .llama3: ["<|eot_id|>"]
            case .alpaca: ["### Instruction:"]
            }
        }
    }

    /// Strings that end the model's turn, whether the model spells them or draws them as a single token. EOS ends it
    /// too.
    package let stopTexts: [String]
    /// Whether the template tells the model which tools there are.
    package let knowsTools: Bool

    /// The maximum size of a template, in bytes of UTF-8.
    package static let maximumByteCount = JinjaBudget.templateByteCount

    private let template: JinjaTemplate
    private let tokens: [String: String]

    /// Parses a template.
    ///
    /// - Parameters:
    ///   - text: The Jinja template.
    ///   - tokens: The special tokens that the template may refer to, such as `bos_token` and `eos_token`.
    /// - Throws: `chat.template` if the text is not a Jinja template.
    package init(_ text: String, tokens: [String: String]) throws {
        let family = Family.allCases.first { $0.markers.allSatisfy(text.contains(bytesOf:)) }
        let template = try JinjaTemplate(text)
        self.template = template
        self.tokens = tokens
        knowsTools = text.contains(bytesOf: "tools")
        let familyEnds = family?.turnEnds ?? []
        let written = Self.textAfterAnswer(template, tokens).flatMap(Self.tag)
        stopTexts = familyEnds + [written].compactMap(\.self).filter { !familyEnds.contains($0) }
    }

    /// Renders the text that the model reads: the conversation so far and the beginning of the answer. Special tokens
    /// are spelled out, including BOS if the template writes it.
    ///
    /// - Parameter tools: The tools that the model may ask to call, as OpenAI's API describes them.
    /// - Throws: `chat.template` if the template rejects the conversation.
    package func render(_ messages: [ChatMessage], tools: [JSONValue] = []) throws -> PromptText {
        PromptText(try Self.render(messages, template, tokens, addsPrompt: true, tools: tools).scalars)
    }

    private static func render(
        _ messages: [ChatMessage], _ template: JinjaTemplate, _ tokens: [String: String], addsPrompt: Bool,
        tools: [JSONValue] = []
    ) throws -> JinjaString {
        var variables: JSONObject = [
            "add_generation_prompt": .bool(addsPrompt), "tools": tools.isEmpty ? .null : .array(tools),
            "documents": .null,
        ]
        for (name, text) in tokens { variables[name] = .string(text) }
        return try template.render(variables, messages: messages)
    }

    /// The text that the template writes after an answer, or nil if it leaves the answer out.
    private static func textAfterAnswer(_ template: JinjaTemplate, _ tokens: [String: String]) -> String? {
        let answer = "Yes."
        let messages = [ChatMessage(.user, "Really?"), ChatMessage(.assistant, answer)]
        guard let text = try? render(messages, template, tokens, addsPrompt: false) else { return nil }
        let content = text.scalars.lastIndex(where: \.isContent).map { text.scalars[...$0] }
        guard let content, String(content.suffix(answer.unicodeScalars.count)) == answer else { return nil }
        return String(text.scalars[content.endIndex...])
    }

    /// The tag at the start of a text, such as `<|end|>` or `</s>`, skipping white space.
    private static func tag(in text: String) -> String? {
        let text = text.unicodeScalars.drop(while: \.isPythonSpace)
        guard text.first == "<", let end = text.firstIndex(of: ">") else { return nil }
        let tag = text[...end]
        guard tag.count <= 64, !tag.contains(where: \.isPythonSpace), !tag.dropFirst().contains("<") else { return nil }
        return String(tag)
    }
}
