import Tensors
import Vision

extension LoadedModel {
    /// The chat template.
    ///
    /// - Throws: `chat.template` if the model has no template, or one that cannot be parsed.
    package var chatTemplate: ChatTemplate {
        get throws { try prompts.chatTemplate }
    }

    /// Whether special tokens are parsed in messages. By default only those that the template writes are, because
    /// untrusted text could otherwise end a turn or forge one.
    package var parsesSpecialTokensInMessages: Bool {
        get { prompts.parsesSpecialTokensInMessages }
        set { prompts.parsesSpecialTokensInMessages = newValue }
    }

    /// Replaces the model's chat template.
    ///
    /// - Throws: `chat.template` if the text is not a Jinja template.
    package func useChatTemplate(_ text: String) throws { try prompts.useChatTemplate(text) }

    /// Uses the built-in template with this name, or else this text of a Jinja template.
    ///
    /// - Throws: `chat.template`, also for a text without any Jinja: that is a misspelt name, and every conversation
    ///   would become it.
    package func useChatTemplate(namedOrText template: String) throws {
        if let builtIn = BuiltInTemplate(named: template) { return try useChatTemplate(builtIn.text) }
        guard template.contains("{") else {
            throw PVITError(
                .chatTemplate,
                "there is no built-in chat template \"\(String(template.prefix(64)).escapingControlCharacters)\"",
                remedy: "name one of \(BuiltInTemplate.names), or give the text of a Jinja template")
        }
        try useChatTemplate(template)
    }

    /// Checks that the model has an embedding of each token. A tokenizer may have more tokens than that, such as a
    /// `<pad>` that was only used in training.
    ///
    /// - Throws: `model.token`.
    package func check(_ tokens: some Sequence<TokenID>) throws { try prompts.check(tokens) }

    /// Renders a conversation through the chat template and tokenizes it: `PromptBuilder.prompt(of:image:room:)`.
    package func prompt(
        of messages: [ChatMessage], image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompts.prompt(of: messages, image: image, room: room)
    }

    /// Tokenizes a text without a chat template: `PromptBuilder.prompt(ofRaw:image:room:)`.
    package func prompt(
        ofRaw text: String, image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompts.prompt(ofRaw: text, image: image, room: room)
    }

    /// Renders a conversation through the chat template, with images and regions still as text:
    /// `PromptBuilder.renderedText(of:showsImage:)`.
    package func renderedText(of messages: [ChatMessage], showsImage: Bool = false) throws -> PromptText {
        try prompts.renderedText(of: messages, showsImage: showsImage)
    }
}
