import Storage
import Tensors
import Tokenization

/// A text with an image and regions, tokenized as PVIT's code does it.
///
/// `<image>` becomes `<im_start>`, one `<im_patch>` for each patch of the image, and `<im_end>`. The locations in
/// `<Region><L…><L…><L…><L…></Region>` become one `<im_patch>`; so do the same four locations elsewhere in the text.
package struct PVITPrompt: Sendable, Hashable {
    /// The tokens.
    package private(set) var tokens: [TokenID]
    /// The regions, in the order of the text.
    package let regions: [RegionLocation]
    /// The number of tokens cut from the start.
    package private(set) var cutTokenCount = 0
    /// The number of images in the text.
    let imageCount: Int

    /// Tokenizes a text, rendered through its template.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - imageCount: The number of images. If it is 0, region tags are ordinary text.
    ///   - patchCount: The number of tokens that an image takes: 256 for CLIP ViT-L/14.
    ///   - tokenizer: The model's tokenizer.
    ///   - addBOS: Whether to put BOS before the text.
    /// - Throws: `prompt.images` unless `<image>` occurs once for each image.
    package init(
        _ text: PromptText, imageCount: Int, patchCount: Int, tokenizer: Tokenizer, addBOS: Bool
    ) throws {
        // Compare code points: to a tokenizer, canonically equivalent texts differ.
        func scalars(_ text: String) -> [PromptScalar] { PromptText(text).scalars }
        var prompt = text
        let mark = scalars(PVITTokens.imageText)
        let marks = prompt.scalars.occurrences(of: mark).count
        guard marks == imageCount else { throw Self.mismatch(marks: marks, images: imageCount) }
        var regions: [RegionLocation] = []
        if imageCount > 0 {
            let patches = String(repeating: PVITTokens.patchText, count: patchCount)
            prompt.scalars.replaceOccurrences(
                of: mark, with: scalars(PVITTokens.imageStartText + patches + PVITTokens.imageEndText))
            var replaced: Set<[Unicode.Scalar]> = []
            for match in RegionSyntax.matches(in: prompt.scalars.map(\.scalar)) {
                if replaced.insert(match.inner).inserted {
                    prompt.scalars.replaceOccurrences(
                        of: match.inner.map { PromptScalar($0) }, with: scalars(PVITTokens.patchText))
                }
                regions.append(match.location)
            }
        }
        // Messages may have regions, but not PVIT's other tokens.
        for token in PVITTokens.regionTexts { prompt.parseSpecialToken(token) }
        let others = [PVITTokens.patchText, PVITTokens.imageStartText, PVITTokens.imageEndText]
        let reserved = Set(others.compactMap { tokenizer.id(ofAddedToken: $0) })
        tokens =
            addBOS
            ? tokenizer.encode(prompt: prompt.segments, reserving: reserved)
            : tokenizer.encode(segments: prompt.segments, addSpecial: false, reserving: reserved)
        self.regions = regions
        self.imageCount = imageCount
    }

    private static func mismatch(marks: Int, images: Int) -> PVITError {
        func counted(_ count: Int, _ one: String) -> String {
            count == 0 ? "no \(one)" : count == 1 ? "one \(one)" : "\(count) \(one)s"
        }
        let remedy =
            images == 0
            ? "give an image, or remove \(PVITTokens.imageText)"
            : "write \(PVITTokens.imageText) once for each image"
        return PVITError(
            .promptImages,
            "there \(images > 1 ? "are" : "is") \(counted(images, "image")), but the text has "
                + (marks == 0 ? "no \(PVITTokens.imageText)" : counted(marks, "\(PVITTokens.imageText) mark")),
            remedy: remedy)
    }

    /// Cuts tokens from the start so that an answer of `answerCount` tokens fits the context. Like PVIT's worker, this
    /// keeps 8 positions free.
    ///
    /// - Throws: `prompt.too-long` if that would cut into the image or a region.
    mutating func cut(toFit contextLength: Int, answerCount: Int, _ special: PVITTokens) throws {
        let limit = contextLength - answerCount - 8
        // If there is no room at all, the cache reports that the text does not fit.
        guard limit > 0, tokens.count > limit else { return }
        let count = tokens.count - limit
        let shows: Set = [special.imageStart, special.regionStart]
        guard !tokens[..<count].contains(where: shows.contains) else {
            throw PVITError(
                .promptTooLong,
                "the prompt has \(tokens.count) tokens, but only \(limit) fit beside an answer of \(answerCount): "
                    + "truncating the prompt would cut into the image or a region",
                remedy: "shorten the prompt or the conversation, or lower --max-tokens")
        }
        tokens.removeFirst(count)
        cutTokenCount = count
    }
}
