import Storage

/// How a model was trained to see a conversation: a Jinja template, the checkpoint's own or another one.
public struct ChatTemplate: Sendable {
    /// Families of templates that have texts of their own to end a turn. A template needs none.
    public enum Family: String, Sendable, Hashable, CaseIterable {
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

        /// What a template of the family has in its text.
        fileprivate var markers: [String] {
            switch self {
            case .chatML: ["<|im_start|>", "<|im_end|>"]
            case .vicuna: ["USER: ", "ASSISTANT:"]
            case .llama2: ["[INST]", "<<SYS>>", "[/INST]"]
            case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
            case .alpaca: ["### Instruction:", "### Response:"]
            }
        }

        /// Texts that end the model's turn, besides the token that ends texts. Most are special tokens.
        fileprivate var turnEnds: [String] {
            switch self {
            case .chatML: ["<|im_end|>"]
            case .vicuna: ["</s>"]
            case .llama2: []
            case .llama3: ["<|eot_id|>"]
            case .alpaca: ["### Instruction:"]
            }
        }
    }

    /// The family, by what the text of the template has in it.
    public let family: Family?
    /// Texts that end the model's turn when it writes them or when they are a token that it chooses. The tokens that
    /// end texts do so too.
    public let stopTexts: [String]

    /// The longest template, in bytes of UTF-8.
    public static let maximumByteCount = JinjaBudget.templateByteCount

    private let template: JinjaTemplate
    private let tokens: [String: String]

    /// Reads a template.
    ///
    /// - Parameters:
    ///   - text: The Jinja template.
    ///   - tokens: The special tokens that it may name, such as `bos_token` and `eos_token`.
    /// - Throws: `chat.template` when it is no Jinja template.
    public init(_ text: String, tokens: [String: String]) throws {
        let family = Family.allCases.first { $0.markers.allSatisfy(text.contains) }
        let template = try JinjaTemplate(text)
        self.family = family
        self.template = template
        self.tokens = tokens
        let familyEnds = family?.turnEnds ?? []
        let written = Self.textAfterAnswer(template, tokens).flatMap(Self.tag)
        stopTexts = familyEnds + [written].compactMap(\.self).filter { !familyEnds.contains($0) }
    }

    /// The text that the model reads: the conversation so far and the beginning of its answer. Special tokens are
    /// written out, the one that begins texts included where the template has it.
    ///
    /// - Throws: `chat.template` when the template does not allow such a conversation.
    public func render(_ messages: [ChatMessage]) throws -> PromptText {
        PromptText(try Self.render(messages, template, tokens, addsPrompt: true).scalars)
    }

    private static func render(
        _ messages: [ChatMessage], _ template: JinjaTemplate, _ tokens: [String: String], addsPrompt: Bool
    ) throws -> JinjaString {
        var variables: JSONObject = ["add_generation_prompt": .bool(addsPrompt), "tools": .null, "documents": .null]
        for (name, text) in tokens { variables[name] = .string(text) }
        return try template.render(variables, messages: messages)
    }

    /// What the template writes behind an answer; nil when it shows none.
    private static func textAfterAnswer(_ template: JinjaTemplate, _ tokens: [String: String]) -> String? {
        let answer = "Yes."
        let messages = [ChatMessage(.user, "Really?"), ChatMessage(.assistant, answer)]
        guard let text = try? render(messages, template, tokens, addsPrompt: false) else { return nil }
        let content = text.scalars.lastIndex(where: \.isContent).map { text.scalars[...$0] }
        guard let content, String(content.suffix(answer.unicodeScalars.count)) == answer else { return nil }
        return String(text.scalars[content.endIndex...])
    }

    /// The tag that a text begins with, such as `<|end|>` or `</s>`, after white space.
    private static func tag(in text: String) -> String? {
        let text = text.unicodeScalars.drop(while: \.isPythonSpace)
        guard text.first == "<", let end = text.firstIndex(of: ">") else { return nil }
        let tag = text[...end]
        guard tag.count <= 64, !tag.contains(where: \.isPythonSpace), !tag.dropFirst().contains("<") else { return nil }
        return String(tag)
    }
}
