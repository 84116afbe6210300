import LanguageModel
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
    let image: PixelImage?
    /// How many of the first positions stay when the oldest part of a text is dropped: the token that begins texts, the
    /// instructions and the image.
    let fixedCount: Int

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
            fixedCount: fixedCount)
    }

    /// - Parameter fixedCount: How many of the first positions stay for other reasons than an image.
    init(_ prompt: PVITPrompt, _ places: PromptPlaces, image: PixelImage?, fixedCount: Int) {
        var positions = prompt.tokens.map { Position.token($0) }
        var fixedCount = fixedCount
        if let image {
            let digest = ImageDigest(of: image)
            for (part, place) in (places.image ?? 0..<0).enumerated() { positions[place] = .part(part, digest) }
            for (region, place) in zip(prompt.regions, places.regions) { positions[place] = .region(region, digest) }
            // The token that ends the image is part of it.
            if let parts = places.image { fixedCount = max(fixedCount, min(parts.upperBound + 1, positions.count)) }
        }
        self.init(
            tokens: prompt.tokens, regions: prompt.regions, cutTokenCount: prompt.cutTokenCount, positions: positions,
            image: image, fixedCount: fixedCount)
    }

    private init(
        tokens: [TokenID], regions: [RegionLocation], cutTokenCount: Int, positions: [Position], image: PixelImage?,
        fixedCount: Int
    ) {
        self.tokens = tokens
        self.regions = regions
        self.cutTokenCount = cutTokenCount
        self.positions = positions
        self.image = image
        self.fixedCount = fixedCount
    }

    /// The same with tokens after it.
    func appending(_ tokens: ArraySlice<TokenID>) -> ModelPrompt {
        ModelPrompt(
            tokens: self.tokens + tokens, regions: regions, cutTokenCount: cutTokenCount,
            positions: positions + tokens.map { .token($0) }, image: image, fixedCount: fixedCount)
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
            fixedCount: fixedCount)
    }
}

/// How much room there is for a prompt.
public struct PromptRoom: Sendable, Hashable {
    /// The most positions that prompt and answer take together.
    public var contextLength: Int
    /// How many tokens the answer may have.
    public var answerCount: Int

    /// Creates a limit.
    public init(contextLength: Int, answerCount: Int) {
        self.contextLength = contextLength
        self.answerCount = answerCount
    }

    /// The room beside the answer that is asked for. PVIT's worker makes 256 tokens unless it is asked for another number, and
    /// 1024 at most.
    init(contextLength: Int, _ options: GenerationOptions) {
        self.init(contextLength: contextLength, answerCount: min(max(options.maximumTokens ?? 256, 0), 1024))
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
    /// - Throws: `chat.template` when the model has no template; `model.no-vision`; `prompt.images`, `prompt.region`
    ///   and `prompt.too-long`.
    public func prompt(
        of messages: [ChatMessage], image: PixelImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(
            renderedText(of: messages, showsImage: image != nil), addBeginning: false, image: image, room: room,
            instructions: instructions(of: messages))
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

    /// A text as it is, special tokens recognised, after the token that begins texts if the model has one.
    ///
    /// - Throws: As `prompt(of:image:room:)`; `prompt.images` also when an image is given and the text has no `<image>`.
    public func prompt(
        ofRaw text: String, image: PixelImage? = nil, room: PromptRoom? = nil
    ) throws -> ModelPrompt {
        try prompt(PromptText(text), addBeginning: true, image: image, room: room)
    }

    private func prompt(
        _ text: PromptText, addBeginning: Bool, image: PixelImage?, room: PromptRoom?, instructions: [TokenID] = []
    ) throws -> ModelPrompt {
        guard let pvitTokens else {
            guard image == nil else {
                throw PVITError(
                    .modelNoVision, "the model cannot see images", file: container.path,
                    remedy: "ask a PVIT model, or leave the image out")
            }
            let tokens = tokenizer.encode(segments: text.segments, addBeginning: addBeginning)
            return ModelPrompt(tokens, fixedCount: fixedCount(of: tokens, instructions))
        }
        let partCount = image == nil ? 0 : try requireVision().partCount
        var prompt = try PVITPrompt(
            text, imageCount: image == nil ? 0 : 1, patchCount: partCount, tokenizer: tokenizer,
            addBeginning: addBeginning)
        if let room { try prompt.cut(toFit: room.contextLength, answerCount: room.answerCount, pvitTokens) }
        return ModelPrompt(
            prompt, try PromptPlaces(of: prompt, patchCount: partCount, pvitTokens), image: image,
            fixedCount: fixedCount(of: prompt.tokens, instructions))
    }

    /// The beginning of a conversation without what the user says: what the template and the system's message put there.
    /// Nothing when the template allows no such conversation.
    private func instructions(of messages: [ChatMessage]) -> [TokenID] {
        let beginning = messages.prefix { $0.role == .system } + [ChatMessage(.user, "")]
        guard let text = try? renderedText(of: Array(beginning)) else { return [] }
        return tokenizer.encode(segments: text.segments, addBeginning: false)
    }

    /// How many of the first tokens stay when the oldest part of a text is dropped.
    private func fixedCount(of tokens: [TokenID], _ instructions: [TokenID]) -> Int {
        max(beginningCount(of: tokens), zip(tokens, instructions).prefix { $0 == $1 }.count)
    }

    /// 1 when a text begins with the token that begins texts, otherwise 0.
    func beginningCount(of tokens: [TokenID]) -> Int {
        let beginning = tokenizer.encode("", addBeginning: true, recogniseSpecial: false)
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
        var parts: [(place: Int, number: Int)] = []
        var regions: [(place: Int, region: RegionLocation)] = []
        var digest: ImageDigest?
        for (place, position) in prompt.positions[start...].enumerated() {
            switch position {
            case .token: continue
            case .part(let number, let image):
                parts.append((place, number))
                digest = image
            case .region(let region, let image):
                regions.append((place, region))
                digest = image
            }
        }
        guard let digest, let image = prompt.image else { return (.tokens(tokens), timings) }
        let vision = try requireVision()
        var embeddings = try llama.embeddings(of: tokens)
        if !parts.isEmpty {
            let values = try vision.parts(of: image, digest, &timings)
            for (place, number) in parts {
                let columns = number * embeddings.width..<(number + 1) * embeddings.width
                try embeddings.replace(place, with: Array(values[columns]))
            }
        }
        if !regions.isEmpty {
            let values = try vision.regions(regions.map(\.region), of: image, digest, &timings)
            for (region, value) in zip(regions, values) { try embeddings.replace(region.place, with: value) }
        }
        return (.embeddings(embeddings), timings)
    }

    private func requireVision() throws -> PVITVision {
        if let vision { return vision }
        throw PVITError(
            .modelNoVision, "the file has no vision tower, so the model cannot see images", file: container.path,
            remedy: "quantize it again with --vision-tower, the folder of a CLIP, and --region-encoder, the file of a "
                + "RegionCLIP")
    }
}
