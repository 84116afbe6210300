import Compute
import Container
import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

/// A tokenized prompt, some of whose positions may stand for an image and its regions.
package struct ModelPrompt: Sendable {
    /// The tokens.
    package let tokens: [TokenID]
    /// The regions, in the order of the text.
    package let regions: [RegionLocation]
    /// The number of tokens cut from the start to make room for the answer.
    package let cutTokenCount: Int
    /// The input at each position.
    let positions: [Position]
    let image: PreparedImage?
    /// The number of positions at the start that are kept when the oldest tokens are dropped: BOS, the instructions and
    /// the image.
    let fixedCount: Int
    /// The position of the first region that must be kept when the oldest tokens are dropped: the first of the last
    /// message.
    let firstNeededRegion: Int?

    /// The input at a position. Equal inputs after equal prefixes give equal keys and values.
    enum Position: Sendable, Hashable {
        case token(TokenID)
        /// A patch of an image, by its number.
        case patch(Int, ImageDigest)
        case region(RegionLocation, ImageDigest)
    }

    /// A prompt without an image.
    init(_ tokens: [TokenID], fixedCount: Int) {
        self.init(
            tokens: tokens, regions: [], cutTokenCount: 0, positions: tokens.map { .token($0) }, image: nil,
            fixedCount: fixedCount, firstNeededRegion: nil)
    }

    /// - Parameters:
    ///   - fixedCount: The number of positions to keep at the start, apart from the image.
    ///   - neededRegionCount: The number of regions to keep, counted from the end.
    init(
        _ prompt: PVITPrompt, _ shown: PromptPositions, image: PreparedImage?, fixedCount: Int, neededRegionCount: Int
    ) {
        var positions = prompt.tokens.map { Position.token($0) }
        var fixedCount = fixedCount
        if let image {
            let digest = image.digest
            for (patch, position) in (shown.image ?? 0..<0).enumerated() { positions[position] = .patch(patch, digest) }
            for (region, position) in zip(prompt.regions, shown.regions) {
                positions[position] = .region(region, digest)
            }
            // `<im_end>` belongs to the image.
            if let patches = shown.image { fixedCount = max(fixedCount, min(patches.upperBound + 1, positions.count)) }
        }
        self.init(
            tokens: prompt.tokens, regions: prompt.regions, cutTokenCount: prompt.cutTokenCount, positions: positions,
            image: image, fixedCount: fixedCount, firstNeededRegion: shown.regions.suffix(neededRegionCount).first)
    }

    private init(
        tokens: [TokenID], regions: [RegionLocation], cutTokenCount: Int, positions: [Position],
        image: PreparedImage?, fixedCount: Int, firstNeededRegion: Int?
    ) {
        self.tokens = tokens
        self.regions = regions
        self.cutTokenCount = cutTokenCount
        self.positions = positions
        self.image = image
        self.fixedCount = fixedCount
        self.firstNeededRegion = firstNeededRegion
    }

    /// Whether any position from `start` on stands for an image or a region.
    func showsImage(from start: Int) -> Bool {
        positions[start...].contains { if case .token = $0 { false } else { true } }
    }

    /// The prompt followed by more tokens.
    func appending(_ tokens: ArraySlice<TokenID>) -> ModelPrompt {
        ModelPrompt(
            tokens: self.tokens + tokens, regions: regions, cutTokenCount: cutTokenCount,
            positions: positions + tokens.map { .token($0) }, image: image, fixedCount: fixedCount,
            firstNeededRegion: firstNeededRegion)
    }

    /// Checks that dropping `count` positions after the fixed ones keeps the regions of the last message.
    ///
    /// - Throws: `prompt.too-long`.
    func checkDropping(_ count: Int) throws {
        guard let firstNeededRegion, (fixedCount..<fixedCount + count).contains(firstNeededRegion) else { return }
        throw PVITError(
            .promptTooLong,
            "the prompt has \(tokens.count) tokens, and dropping the oldest \(count) would drop a region of the last "
                + "message",
            remedy: "ask about fewer regions at a time, or use a longer context")
    }

    /// The prompt without `count` positions after the fixed ones.
    func dropping(_ count: Int) -> ModelPrompt {
        guard count > 0 else { return self }
        let dropped = fixedCount..<fixedCount + count
        var (tokens, positions) = (tokens, positions)
        tokens.removeSubrange(dropped)
        positions.removeSubrange(dropped)
        return ModelPrompt(
            tokens: tokens, regions: regions, cutTokenCount: cutTokenCount, positions: positions, image: image,
            fixedCount: fixedCount, firstNeededRegion: nil)
    }
}

/// The room for a prompt.
package struct PromptRoom: Sendable, Hashable {
    /// The maximum number of positions for prompt and answer together.
    package var contextLength: Int
    /// The number of tokens to keep free for the answer.
    package var answerCount: Int
    /// What to do with a prompt that is too long.
    package var overflow: ContextOverflow
    /// Whether the beginning of a PVIT prompt may be cut if it is too long. Always false with `.slide`.
    package var mayCut: Bool

    /// Creates a description of the room.
    package init(contextLength: Int, answerCount: Int, overflow: ContextOverflow = .stop, mayCut: Bool = true) {
        self.contextLength = contextLength
        self.answerCount = answerCount
        self.overflow = overflow
        self.mayCut = mayCut && overflow == .stop
    }

    /// The room beside an answer with these options. Like PVIT's worker, it keeps 256 tokens free by default, and at
    /// most 1024.
    init(contextLength: Int, _ options: GenerationOptions) {
        self.init(
            contextLength: contextLength, answerCount: min(max(options.maximumTokens ?? 256, 0), 1024),
            overflow: options.overflow, mayCut: options.mayCutPrompt)
    }
}

extension LoadedModel {
    /// Renders a conversation through the chat template and tokenizes it.
    ///
    /// `<image>` in a message stands for the image. If no message has it, the image goes before the user's first
    /// message, as in PVIT's training. Regions are written `<Region><L…><L…><L…><L…></Region>`: the left, upper, right
    /// and lower edge, in thousandths of the image.
    ///
    /// - Parameters:
    ///   - messages: The conversation.
    ///   - image: The image that it is about.
    ///   - room: The room for the prompt. A PVIT prompt that is too long loses its beginning, if `room` allows that.
    /// - Throws: `chat.template` if the model has no template; `model.no-vision`; `model.token`; `prompt.images`,
    ///   `prompt.region` and `prompt.too-long`.
    package func prompt(
        of messages: [ChatMessage], image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(
            renderedText(of: messages, showsImage: image != nil), lastMessage: messages.last?.content,
            addBOS: false, image: image, room: room, instructions: instructions(of: messages))
    }

    /// Renders a conversation through the chat template, with images and regions still as text.
    ///
    /// - Throws: `chat.template` if the model has no template, or one that rejects the conversation.
    package func renderedText(of messages: [ChatMessage], showsImage: Bool = false) throws -> PromptText {
        var messages = messages
        if showsImage, !messages.contains(where: { $0.content.contains(PVITTokens.imageText) }),
            let first = messages.firstIndex(where: { $0.role == .user })
        {
            messages[first].content = "\(PVITTokens.imageText)\n\(messages[first].content)"
        }
        let text = try chatTemplate.render(messages)
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

    private func prompt(
        _ text: PromptText, lastMessage: String? = nil, addBOS: Bool, image: PreparedImage?, room: PromptRoom?,
        instructions: [TokenID] = []
    ) throws -> ModelPrompt {
        guard let pvitTokens else {
            if image != nil { _ = try requireVision() }
            let tokens =
                addBOS
                ? tokenizer.encode(prompt: text.segments)
                : tokenizer.encode(segments: text.segments, addSpecial: false)
            try check(tokens)
            return ModelPrompt(tokens, fixedCount: fixedCount(of: tokens, instructions))
        }
        let patchCount = image == nil ? 0 : try requireVision().patchCount
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
        let vision = try requireVision()
        let needed = lastMessage.map { RegionSyntax.count(in: $0) } ?? all
        let count = room?.overflow == .slide ? needed : all
        try vision.checkRegions(count: count, of: image)
        if let room {
            // An image takes two tokens beside its patches, a region three with its tags.
            let limit = max(room.contextLength - vision.patchCount - 2, 0) / 3
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

    /// The decoder's input for the positions of a prompt from `start` on. Encodes the image and its regions if needed.
    ///
    /// - Throws: `model.no-vision`, `image.*` and errors of the container's tiles.
    package func input(
        for prompt: ModelPrompt, from start: Int = 0
    ) throws -> (input: LlamaInput, timings: VisionTimings) {
        var timings = VisionTimings()
        let tokens = Array(prompt.tokens[start...])
        var patches: [(position: Int, number: Int)] = []
        var regions: [(position: Int, region: RegionLocation)] = []
        for (index, position) in prompt.positions[start...].enumerated() {
            switch position {
            case .token: continue
            case .patch(let number, _): patches.append((index, number))
            case .region(let region, _): regions.append((index, region))
            }
        }
        guard let image = prompt.image, !patches.isEmpty || !regions.isEmpty else { return (.tokens(tokens), timings) }
        let vision = try requireVision()
        var features: [(position: Int, row: Int, matrix: Matrix)] = []
        if !patches.isEmpty {
            let matrix = try vision.patchEmbeddings(of: image, &timings)
            features += patches.map { ($0.position, $0.number, matrix) }
        }
        if !regions.isEmpty {
            let matrices = try vision.regionEmbeddings(regions.map(\.region), of: image, &timings)
            features += zip(regions, matrices).map { ($0.position, 0, $1) }
        }
        return (.embeddings(try llama.embeddings(of: tokens, replacing: features)), timings)
    }

    /// The image encoders.
    ///
    /// - Throws: `model.no-vision` if there are none.
    func requireVision() throws -> PVITVision {
        if let vision { return vision }
        guard pvitTokens != nil else {
            throw PVITError(
                .modelNoVision, "this model cannot read images", file: container.path,
                remedy: "use a PVIT model, or leave the image out")
        }
        throw PVITError(
            .modelNoVision, "the file has no vision tower, so the model cannot read images", file: container.path,
            remedy: "quantize the model again with --vision-tower CLIP and --region-encoder REGIONCLIP")
    }
}
