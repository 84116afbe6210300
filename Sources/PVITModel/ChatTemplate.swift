import Tensors

/// One turn of a conversation.
public struct ChatMessage: Sendable, Hashable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable {
        /// Instructions for the whole conversation; only the first message may have it.
        case system
        /// The person who asks.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said.
    public var content: String

    /// Creates a message.
    public init(_ role: Role, _ content: String) {
        self.role = role
        self.content = content
    }
}

/// How a model was trained to see a conversation: the checkpoint's own template, of a family whose end of turn is known.
public struct ChatTemplate: Sendable {
    /// Kinds of template.
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

    /// The kind of template.
    public let family: Family
    /// Texts that end the model's turn when it writes them or when they are a token that it chooses. The tokens that end
    /// texts do so too.
    public var stopTexts: [String] { family.turnEnds }

    private let template: JinjaTemplate
    private let beginningText: String
    private let endText: String

    /// Recognises the template of a checkpoint by what its text consists of.
    ///
    /// - Parameters:
    ///   - text: The Jinja template.
    ///   - beginningText: What the template's `bos_token` stands for.
    ///   - endText: What its `eos_token` stands for.
    /// - Throws: `chat.template` when it is of no known family or not written in the part of Jinja that is supported.
    public init(recognising text: String, beginningText: String, endText: String) throws {
        guard let family = Family.allCases.first(where: { $0.markers.allSatisfy(text.contains) }) else {
            throw PVITError(
                .chatTemplate, "the model's chat template is of no known kind",
                remedy: "use --raw to give the model a text as it is; known kinds are ChatML, Vicuna v1.1, LLaMA-2, "
                    + "LLaMA-3 and Alpaca")
        }
        self.family = family
        template = try JinjaTemplate(text)
        self.beginningText = beginningText
        self.endText = endText
    }

    /// The conversation `vicuna_v1_1` of FastChat, LLaVA and PVIT, whose checkpoints carry no template.
    public static func vicuna(beginningText: String = "<s>", endText: String = "</s>") throws -> ChatTemplate {
        try ChatTemplate(recognising: vicunaText, beginningText: beginningText, endText: endText)
    }

    private static let vicunaText = """
        {{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}\
        {% set messages = messages[1:] %}{% else %}\
        {{ "A chat between a curious user and an artificial intelligence assistant. \
        The assistant gives helpful, detailed, and polite answers to the user's questions." }}\
        {% endif %}{{ ' ' }}{% for message in messages %}\
        {% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}\
        {% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}\
        {% else %}{{ raise_exception('only the first message can be the system\\'s') }}{% endif %}{% endfor %}\
        {% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
        """

    /// The text that the model reads: the conversation so far and the beginning of its answer. Special tokens are written
    /// out, the one that begins texts included where the template has it.
    ///
    /// - Throws: `chat.template` when the template does not allow such a conversation.
    public func render(_ messages: [ChatMessage]) throws -> String {
        let list = messages.map { message in
            JinjaValue.dictionary(["role": .string(message.role.rawValue), "content": .string(message.content)])
        }
        return try template.render([
            "messages": .list(list), "add_generation_prompt": .bool(true), "bos_token": .string(beginningText),
            "eos_token": .string(endText),
        ])
    }
}
