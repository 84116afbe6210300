import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

extension PromptBuilder {
    /// Renders a conversation through the chat template and tokenizes it.
    ///
    /// `<image>` in a message stands for the image. If no message has it, the image goes before the user's first
    /// message, as in PVIT's training. Regions are written `<Region><L…><L…><L…><L…></Region>`: the left, upper, right
    /// and lower edge, in thousandths of the image.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - image: The image that it is about.
    ///   - tools: The tools that the template tells the model of.
    ///   - room: The room for the prompt. A PVIT prompt that is too long loses its beginning, if `room` allows that.
    /// - Throws: `chat.template` if the model has no template; `model.no-vision`; `model.token`; `prompt.images`,
    ///   `prompt.region` and `prompt.too-long`.
    package func prompt(
        of messages: [ChatMessage], image: PreparedImage? = nil, tools: [JSONValue] = [], room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(
            renderedText(of: messages, showsImage: image != nil, tools: tools), lastMessage: messages.last?.content,
            addBOS: false, image: image, room: room, instructions: instructions(of: messages))
    }

    /// Renders a conversation through the chat template, with images and regions still as text.
    ///
    /// - Throws: `chat.template` if the model has no template, or one that rejects the conversation.
    package func renderedText(
        of messages: [ChatMessage], showsImage: Bool = false, tools: [JSONValue] = []
    ) throws -> PromptText {
        var messages = messages
        if showsImage, !messages.contains(where: { $0.content.contains(bytesOf: PVITTokens.imageText) }),
            let first = messages.firstIndex(where: { $0.role == .user })
        {
            messages[first].content = "\(PVITTokens.imageText)\n\(messages[first].content)"
        }
        let text = try chatTemplate.render(messages, tools: tools)
        return parsesSpecialTokensInMessages ? text.parsingSpecialTokens : text
    }

    /// Tokenizes a text without a chat template. Special tokens are parsed. BOS goes in front if the model has one and
    /// the text does not begin with it.
    ///
    /// - Throws: What `prompt(of:image:room:)` throws; `prompt.images` also if there is an image and the text has no
    ///   `<image>`.
    package func prompt(
        ofRaw text: String, image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(PromptText(text), addBOS: true, image: image, room: room)
    }

    /// A prompt of tokens that are given.
    ///
    /// - Throws: `model.token` for a token that the model has no embedding of.
    package func prompt(ofTokens tokens: [TokenID]) throws -> ModelPrompt {
        try check(tokens)
        return ModelPrompt(tokens, fixedCount: bosCount(of: tokens))
    }

    private func prompt(
        _ text: PromptText, lastMessage: String? = nil, addBOS: Bool, image: PreparedImage?, room: PromptRoom?,
        instructions: [TokenID] = []
    ) throws -> ModelPrompt {
        guard let pvitTokens else {
            if image != nil { _ = try requireImages() }
            let tokens =
                addBOS
                ? tokenizer.encode(prompt: text.segments)
                : tokenizer.encode(segments: text.segments, addSpecial: false)
            try check(tokens)
            return ModelPrompt(tokens, fixedCount: fixedCount(of: tokens, instructions))
        }
        let patchCount = image == nil ? 0 : try requireImages().patchCount
        var neededRegionCount = 0
        if let image {
            neededRegionCount = try neededRegions(text.text, lastMessage: lastMessage, image, room)
        }
        var prompt = try PVITPrompt(
            text, imageCount: image == nil ? 0 : 1, patchCount: patchCount, tokenizer: tokenizer,
            addBOS: addBOS)
        try check(prompt.tokens)
        if let room, room.mayCut {
            try prompt.cut(toFit: room.contextLength, answerCount: room.answerCount, pvitTokens)
        }
        return ModelPrompt(
            prompt, try PromptPositions(of: prompt, patchCount: patchCount, pvitTokens), image: image,
            fixedCount: fixedCount(of: prompt.tokens, instructions), neededRegionCount: neededRegionCount)
    }

    /// Counts the regions of the last message, or of the whole text if there are no messages. Before any work is done,
    /// checks that all regions that must be kept can be encoded and fit the context.
    private func neededRegions(
        _ text: String, lastMessage: String?, _ image: PreparedImage, _ room: PromptRoom?
    ) throws -> Int {
        let all = RegionSyntax.count(in: text)
        guard all > 0 else { return 0 }
        let images = try requireImages()
        let needed = lastMessage.map { RegionSyntax.count(in: $0) } ?? all
        let count = room?.overflow == .slide ? needed : all
        try images.checkRegions(count: count, of: image)
        if let room {
            // An image takes two tokens beside its patches, a region three with its tags.
            let limit = max(room.contextLength - images.patchCount - 2, 0) / 3
            guard count <= limit else {
                throw PVITError(
                    .promptTooLong,
                    "the prompt has \(count) regions, but the context of \(room.contextLength) positions has room for "
                        + "only \(limit)",
                    remedy: "ask about fewer regions at a time, or use a longer context")
            }
        }
        return needed
    }

    /// The tokens at the start of a conversation that come before the user's first words: those of the template and of
    /// the system message. Empty if the template rejects such a conversation.
    private func instructions(of messages: [ChatMessage]) -> [TokenID] {
        let beginning = messages.prefix { $0.role == .system } + [ChatMessage(.user, "")]
        guard let text = try? renderedText(of: Array(beginning)) else { return [] }
        return tokenizer.encode(segments: text.segments, addSpecial: false)
    }

    /// The number of tokens at the start that are kept when the oldest tokens are dropped.
    private func fixedCount(of tokens: [TokenID], _ instructions: [TokenID]) -> Int {
        max(bosCount(of: tokens), zip(tokens, instructions).prefix { $0 == $1 }.count)
    }

    /// 1 if a text begins with BOS, otherwise 0.
    func bosCount(of tokens: [TokenID]) -> Int {
        let bos = tokenizer.tokensBeforeText
        return tokens.starts(with: bos) ? bos.count : 0
    }
}
