import Storage
import Tensors
import Tokenization

/// A text with an image and regions as PVIT's code feeds it to the model: the tokens, and what they show.
///
/// `<image>` becomes `<im_start>`, a token for each part of the image, and `<im_end>`.
/// `<Region><L…><L…><L…><L…></Region>` keeps its tags around a single token; the same four locations elsewhere in the
/// text become that token too.
public struct PVITPrompt: Sendable, Hashable {
    /// What the model is given.
    public private(set) var tokens: [TokenID]
    /// The regions, in the order of the text.
    public let regions: [RegionLocation]
    /// How many tokens were cut off at the beginning.
    public private(set) var cutTokenCount = 0
    /// How many images the text shows.
    let imageCount: Int

    /// Reads a whole text, written out with its template.
    ///
    /// - Parameters:
    ///   - imageCount: How many images there are. Without any, tags of regions are ordinary text.
    ///   - patchCount: How many tokens an image takes; 256 for CLIP ViT-L/14.
    ///   - addSpecial: Whether the text lacks the token that begins texts.
    /// - Throws: `prompt.images` unless `<image>` occurs once for each image.
    public init(
        _ text: PromptText, imageCount: Int, patchCount: Int, tokenizer: Tokenizer, addSpecial: Bool
    ) throws {
        // Code points are compared: canonically equivalent texts are different ones to a tokenizer.
        func scalars(_ text: String) -> [PromptScalar] { PromptText(text).scalars }
        var prompt = text
        let mark = scalars(PVITTokens.imageText)
        let marks = prompt.scalars.ranges(of: mark).count
        guard marks == imageCount else { throw Self.mismatch(marks: marks, images: imageCount) }
        var regions: [RegionLocation] = []
        if imageCount > 0 {
            let patches = String(repeating: PVITTokens.patchText, count: patchCount)
            prompt.scalars.replace(mark, with: scalars(PVITTokens.imageStartText + patches + PVITTokens.imageEndText))
            var replaced: Set<[Unicode.Scalar]> = []
            for match in RegionSyntax.matches(in: prompt.scalars.map(\.scalar)) {
                if replaced.insert(match.inner).inserted {
                    prompt.scalars.replace(match.inner.map { PromptScalar($0) }, with: scalars(PVITTokens.patchText))
                }
                regions.append(match.location)
            }
        }
        // Messages mention regions; the other tokens of PVIT are not theirs to write.
        for token in PVITTokens.regionTexts { prompt.recognise(token) }
        let others = [PVITTokens.patchText, PVITTokens.imageStartText, PVITTokens.imageEndText]
        let reserved = Set(others.compactMap { tokenizer.id(ofAddedToken: $0) })
        tokens =
            addSpecial
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
            ? "give an image, or leave \(PVITTokens.imageText) out"
            : "write \(PVITTokens.imageText) once for each image"
        return PVITError(
            .promptImages,
            "there \(images > 1 ? "are" : "is") \(counted(images, "image")), but the text has "
                + (marks == 0 ? "no \(PVITTokens.imageText)" : counted(marks, "\(PVITTokens.imageText) mark")),
            remedy: remedy)
    }

    /// Cuts tokens off at the beginning so that an answer of `answerCount` tokens fits a context, as PVIT's worker
    /// does: it keeps 8 positions free.
    ///
    /// - Throws: `prompt.too-long` when a part of the image or a region would be lost.
    mutating func cut(toFit contextLength: Int, answerCount: Int, _ special: PVITTokens) throws {
        let limit = contextLength - answerCount - 8
        // With no room left at all the cache says that the text does not fit.
        guard limit > 0, tokens.count > limit else { return }
        let count = tokens.count - limit
        let shows: Set = [special.imageStart, special.regionStart]
        guard !tokens[..<count].contains(where: shows.contains) else {
            throw PVITError(
                .promptTooLong,
                "the text has \(tokens.count) tokens, and \(limit) fit beside an answer of \(answerCount): of the image or "
                    + "of a region something would be lost",
                remedy: "shorten the text or the conversation, or ask for fewer tokens")
        }
        tokens.removeFirst(count)
        cutTokenCount = count
    }
}
