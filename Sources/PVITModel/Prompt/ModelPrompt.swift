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

    /// The number of positions at the start that two prompts have in common.
    func commonCount(with other: ModelPrompt) -> Int {
        zip(positions, other.positions).prefix { $0 == $1 }.count
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
