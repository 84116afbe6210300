import Compute
import Container
import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

/// What a model is asked to continue: tokens, some of which may show an image.
public struct ModelPrompt: Sendable {
    /// The tokens.
    public let tokens: [TokenID]
    /// The regions that are shown, in the order of the text.
    public let regions: [RegionLocation]
    /// How many tokens were cut off at the beginning so that the answer has room.
    public let cutTokenCount: Int
    /// What each position reads.
    let positions: [Position]
    let image: PreparedImage?
    /// How many of the first positions stay when the oldest part of a text is dropped: the token that begins texts, the
    /// instructions and the image.
    let fixedCount: Int
    /// The position of the first region that must stay when the oldest part of a text is dropped: those of the last
    /// message.
    let firstNeededRegion: Int?

    /// What a position reads: equal ones, after equal ones, give equal keys and values.
    enum Position: Sendable, Hashable {
        case token(TokenID)
        case part(Int, ImageDigest)
        case region(RegionLocation, ImageDigest)
    }

    /// A text without image.
    init(_ tokens: [TokenID], fixedCount: Int) {
        self.init(
            tokens: tokens, regions: [], cutTokenCount: 0, positions: tokens.map { .token($0) }, image: nil,
            fixedCount: fixedCount, firstNeededRegion: nil)
    }

    /// - Parameters:
    ///   - fixedCount: How many of the first positions stay for other reasons than an image.
    ///   - neededRegionCount: How many of the last regions stay.
    init(
        _ prompt: PVITPrompt, _ places: PromptPlaces, image: PreparedImage?, fixedCount: Int, neededRegionCount: Int
    ) {
        var positions = prompt.tokens.map { Position.token($0) }
        var fixedCount = fixedCount
        if let image {
            let digest = image.digest
            for (part, place) in (places.image ?? 0..<0).enumerated() { positions[place] = .part(part, digest) }
            for (region, place) in zip(prompt.regions, places.regions) { positions[place] = .region(region, digest) }
            // The token that ends the image is part of it.
            if let parts = places.image { fixedCount = max(fixedCount, min(parts.upperBound + 1, positions.count)) }
        }
        self.init(
            tokens: prompt.tokens, regions: prompt.regions, cutTokenCount: prompt.cutTokenCount, positions: positions,
            image: image, fixedCount: fixedCount, firstNeededRegion: places.regions.suffix(neededRegionCount).first)
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

    /// Whether an image or a region of it is shown at a position from `start` on.
    func showsImage(from start: Int) -> Bool {
        positions[start...].contains { if case .token = $0 { false } else { true } }
    }

    /// The same with tokens after it.
    func appending(_ tokens: ArraySlice<TokenID>) -> ModelPrompt {
        ModelPrompt(
            tokens: self.tokens + tokens, regions: regions, cutTokenCount: cutTokenCount,
            positions: positions + tokens.map { .token($0) }, image: image, fixedCount: fixedCount,
            firstNeededRegion: firstNeededRegion)
    }

    /// Throws when the same without `count` positions after those that stay would lack a region of the last message.
    ///
    /// - Throws: `prompt.too-long`.
    func checkDropping(_ count: Int) throws {
        guard let firstNeededRegion, (fixedCount..<fixedCount + count).contains(firstNeededRegion) else { return }
        throw PVITError(
            .promptTooLong,
            "the text has \(tokens.count) tokens, and without its oldest \(count) a region that it asks about would be lost",
            remedy: "ask about fewer regions at a time, or for a longer context")
    }

    /// The same without `count` positions after those that stay.
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

/// How much room there is for a prompt.
public struct PromptRoom: Sendable, Hashable {
    /// The most positions that prompt and answer take together.
    public var contextLength: Int
    /// How many tokens the answer may have.
    public var answerCount: Int
    /// What is done with a prompt that is too long.
    public var overflow: ContextOverflow
    /// Whether a PVIT prompt that is too long may lose its beginning. One that slides does not.
    public var mayCut: Bool

    /// Creates a limit.
    public init(contextLength: Int, answerCount: Int, overflow: ContextOverflow = .stop, mayCut: Bool = true) {
        self.contextLength = contextLength
        self.answerCount = answerCount
        self.overflow = overflow
        self.mayCut = mayCut && overflow == .stop
    }

    /// The room beside the answer that is asked for. PVIT's worker makes 256 tokens unless it is asked for another
    /// number, and 1024 at most.
    init(contextLength: Int, _ options: GenerationOptions) {
        self.init(
            contextLength: contextLength, answerCount: min(max(options.maximumTokens ?? 256, 0), 1024),
            overflow: options.overflow, mayCut: options.mayCutPrompt)
    }
}

extension LoadedModel {
    /// A conversation in the model's own template, with an image that it is about.
    ///
    /// Where `<image>` is in the conversation the image is shown; where there is none, at the beginning of the first
    /// message of the user, as PVIT was trained with. Regions are written `<Region><L…><L…><L…><L…></Region>`, in
    /// thousandths of the image: left, upper, right and lower edge.
    ///
    /// - Parameter room: A PVIT prompt that is too long for it loses its beginning, as with PVIT's worker.
    /// - Throws: `chat.template` when the model has no template; `model.no-vision`; `model.token`; `prompt.images`,
    ///   `prompt.region` and `prompt.too-long`.
    public func prompt(
        of messages: [ChatMessage], image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(
            renderedText(of: messages, showsImage: image != nil), lastMessage: messages.last?.content,
            addSpecial: false, image: image, room: room, instructions: instructions(of: messages))
    }

    /// The text of a conversation in the model's own template, before images and regions in it become tokens.
    ///
    /// - Throws: `chat.template` when the model has no template, or one that does not allow such a conversation.
    public func renderedText(of messages: [ChatMessage], showsImage: Bool = false) throws -> PromptText {
        var messages = messages
        if showsImage, !messages.contains(where: { $0.content.contains(PVITTokens.imageText) }),
            let first = messages.firstIndex(where: { $0.role == .user })
        {
            messages[first].content = "\(PVITTokens.imageText)\n\(messages[first].content)"
        }
        let text = try chatTemplate.render(messages)
        return recognisesSpecialInMessages ? text.recognisingAll : text
    }

    /// A text as it is, special tokens recognised, after the token that begins texts if the model has one and the text
    /// does not begin with it.
    ///
    /// - Throws: As `prompt(of:image:room:)`; `prompt.images` also when an image is given and the text has no
    ///   `<image>`.
    public func prompt(
        ofRaw text: String, image: PreparedImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(PromptText(text), addSpecial: true, image: image, room: room)
    }

    private func prompt(
        _ text: PromptText, lastMessage: String? = nil, addSpecial: Bool, image: PreparedImage?, room: PromptRoom?,
        instructions: [TokenID] = []
    ) throws -> ModelPrompt {
        guard let pvitTokens else {
            if image != nil { _ = try requireVision() }
            let tokens =
                addSpecial
                ? tokenizer.encode(prompt: text.segments)
                : tokenizer.encode(segments: text.segments, addSpecial: false)
            try check(tokens)
            return ModelPrompt(tokens, fixedCount: fixedCount(of: tokens, instructions))
        }
        let partCount = image == nil ? 0 : try requireVision().partCount
        var neededRegionCount = 0
        if let image {
            neededRegionCount = try neededRegions(text.text, lastMessage: lastMessage, image, room)
        }
        var prompt = try PVITPrompt(
            text, imageCount: image == nil ? 0 : 1, patchCount: partCount, tokenizer: tokenizer,
            addSpecial: addSpecial)
        try check(prompt.tokens)
        if let room, room.mayCut {
            try prompt.cut(toFit: room.contextLength, answerCount: room.answerCount, pvitTokens)
        }
        return ModelPrompt(
            prompt, try PromptPlaces(of: prompt, patchCount: partCount, pvitTokens), image: image,
            fixedCount: fixedCount(of: prompt.tokens, instructions), neededRegionCount: neededRegionCount)
    }

    /// How many regions the last message of a conversation has, or a text without messages. Throws unless all regions
    /// that must be shown can be, before any work is done for them.
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
            // The tokens around an image, and those of a region with its tags.
            let limit = max(room.contextLength - vision.partCount - 2, 0) / 3
            guard count <= limit else {
                throw PVITError(
                    .promptTooLong,
                    "the prompt has \(count) regions, and the context of \(room.contextLength) positions has room for "
                        + "\(limit) at most",
                    remedy: "ask about fewer regions at a time, or for a longer context")
            }
        }
        return needed
    }

    /// The beginning of a conversation without what the user says: what the template and the system's message put
    /// there. Nothing when the template allows no such conversation.
    private func instructions(of messages: [ChatMessage]) -> [TokenID] {
        let beginning = messages.prefix { $0.role == .system } + [ChatMessage(.user, "")]
        guard let text = try? renderedText(of: Array(beginning)) else { return [] }
        return tokenizer.encode(segments: text.segments, addSpecial: false)
    }

    /// How many of the first tokens stay when the oldest part of a text is dropped.
    private func fixedCount(of tokens: [TokenID], _ instructions: [TokenID]) -> Int {
        max(beginningCount(of: tokens), zip(tokens, instructions).prefix { $0 == $1 }.count)
    }

    /// 1 when a text begins with the token that begins texts, otherwise 0.
    func beginningCount(of tokens: [TokenID]) -> Int {
        let beginning = tokenizer.tokensBeforeText
        return tokens.starts(with: beginning) ? beginning.count : 0
    }

    /// What the decoder reads for the positions of a prompt from `start` on. Images are encoded when it is needed.
    ///
    /// - Throws: `model.no-vision`, `image.*` and errors of the container's tiles.
    public func input(
        for prompt: ModelPrompt, from start: Int = 0
    ) throws -> (input: LlamaInput, timings: VisionTimings) {
        var timings = VisionTimings()
        let tokens = Array(prompt.tokens[start...])
        var patches: [(position: Int, number: Int)] = []
        var regions: [(position: Int, region: RegionLocation)] = []
        for (index, position) in prompt.positions[start...].enumerated() {
            switch position {
            case .token: continue
            case .part(let number, _): patches.append((index, number))
            case .region(let region, _): regions.append((index, region))
            }
        }
        guard let image = prompt.image, !patches.isEmpty || !regions.isEmpty else { return (.tokens(tokens), timings) }
        let vision = try requireVision()
        var features: [(position: Int, row: Int, matrix: Matrix)] = []
        if !patches.isEmpty {
            let matrix = try vision.patches(of: image, &timings)
            features += patches.map { ($0.position, $0.number, matrix) }
        }
        if !regions.isEmpty {
            let matrices = try vision.regions(regions.map(\.region), of: image, &timings)
            features += zip(regions, matrices).map { ($0.position, 0, $1) }
        }
        return (.embeddings(try llama.embeddings(of: tokens, replacing: features)), timings)
    }

    /// What sees images.
    ///
    /// - Throws: `model.no-vision`.
    func requireVision() throws -> PVITVision {
        if let vision { return vision }
        guard pvitTokens != nil else {
            throw PVITError(
                .modelNoVision, "the model cannot see images", file: container.path,
                remedy: "ask a PVIT model, or leave the image out")
        }
        throw PVITError(
            .modelNoVision, "the file has no vision tower, so the model cannot see images", file: container.path,
            remedy: "quantize it again with --vision-tower, the folder of a CLIP, and --region-encoder, the file of a "
                + "RegionCLIP")
    }
}
