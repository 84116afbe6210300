import Storage
import Tensors
import Tokenization

/// Where in the tokens of a prompt an image and its regions are shown.
struct PromptPlaces: Sendable, Hashable {
    /// The positions of the parts of the image; nil without image.
    let image: Range<Int>?
    /// The position of each region, in the order of the text.
    let regions: [Int]

    /// Finds the places.
    ///
    /// - Throws: `prompt.images` when tokens of images stand in the text otherwise than around an image;
    ///   `prompt.region` for tags of regions that are not around four locations, and for regions without an image.
    init(of prompt: PVITPrompt, patchCount: Int, _ special: PVITTokens) throws {
        let tokens = prompt.tokens
        func token(_ place: Int) -> TokenID? { tokens.indices.contains(place) ? tokens[place] : nil }

        let starts = tokens.indices.filter { tokens[$0] == special.imageStart }
        let ends = tokens.indices.filter { tokens[$0] == special.imageEnd }
        guard starts.count == prompt.imageCount, ends.count == prompt.imageCount else {
            throw PVITError(
                .promptImages, "the text has \(PVITTokens.imageStartText) or \(PVITTokens.imageEndText) in it",
                remedy: "show an image by \(PVITTokens.imageText)")
        }
        image = starts.first.map { $0 + 1..<$0 + 1 + patchCount }

        let tags = tokens.indices.filter { tokens[$0] == special.regionStart }
        let closingTags = tokens.count { $0 == special.regionEnd }
        if prompt.imageCount == 0, !tags.isEmpty || closingTags > 0 {
            throw PVITError(.promptRegion, "the text has a region, and there is no image", remedy: "give an image")
        }
        regions = tags.map { $0 + 1 }
        let areWhole = regions.allSatisfy { token($0) == special.patch && token($0 + 1) == special.regionEnd }
        guard areWhole, regions.count == prompt.regions.count, closingTags == regions.count else {
            throw PVITError(
                .promptRegion, "the text has <Region> or </Region> that do not enclose four locations",
                remedy:
                    "write <Region><L100><L250><L900><L975></Region>: left, upper, right and lower edge in thousandths, "
                    + "of at most 4 digits each")
        }
        for region in prompt.regions { try region.check() }
    }
}
