import Storage
import Tensors
import Tokenization

/// The positions of an image and its regions in the tokens of a prompt.
struct PromptPositions: Sendable, Hashable {
    /// The positions of the image's patches; nil if there is no image.
    let image: Range<Int>?
    /// The position of each region, in the order of the text.
    let regions: [Int]

    /// Finds the positions.
    ///
    /// - Throws: `prompt.images` if the text has `<im_start>` or `<im_end>` anywhere but around an image;
    ///   `prompt.region` if region tags do not enclose four locations, and for regions without an image.
    init(of prompt: PVITPrompt, patchCount: Int, _ special: PVITTokens) throws {
        let tokens = prompt.tokens
        func token(_ position: Int) -> TokenID? { tokens.indices.contains(position) ? tokens[position] : nil }

        let starts = tokens.indices.filter { tokens[$0] == special.imageStart }
        let ends = tokens.indices.filter { tokens[$0] == special.imageEnd }
        guard starts.count == prompt.imageCount, ends.count == prompt.imageCount else {
            throw PVITError(
                .promptImages, "the text contains \(PVITTokens.imageStartText) or \(PVITTokens.imageEndText)",
                remedy: "write \(PVITTokens.imageText) for an image")
        }
        image = starts.first.map { $0 + 1..<$0 + 1 + patchCount }

        let tags = tokens.indices.filter { tokens[$0] == special.regionStart }
        let closingTags = tokens.count { $0 == special.regionEnd }
        if prompt.imageCount == 0, !tags.isEmpty || closingTags > 0 {
            throw PVITError(.promptRegion, "the text has a region, but there is no image", remedy: "give an image")
        }
        regions = tags.map { $0 + 1 }
        let areComplete = regions.allSatisfy { token($0) == special.patch && token($0 + 1) == special.regionEnd }
        guard areComplete, regions.count == prompt.regions.count, closingTags == regions.count else {
            throw PVITError(
                .promptRegion, "the text has <Region> or </Region> that do not enclose four locations",
                remedy:
                    "write <Region><L100><L250><L900><L975></Region>: the left, upper, right and lower edge in "
                    + "thousandths, with at most 4 digits each")
        }
        for region in prompt.regions { try region.check() }
    }
}
