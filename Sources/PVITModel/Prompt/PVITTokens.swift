import Architectures
import Tensors
import Tokenization

/// The tokens that stand for images and regions in PVIT's prompts.
package struct PVITTokens: Sendable, Hashable {
    /// `<im_patch>`: stands for a patch of the image, or for a region.
    package let patch: TokenID
    /// `<im_start>`: begins an image.
    package let imageStart: TokenID
    /// `<im_end>`: ends an image.
    package let imageEnd: TokenID
    /// `<Region>`: begins a region.
    package let regionStart: TokenID
    /// `</Region>`: ends a region.
    package let regionEnd: TokenID

    static let imageText = "<image>"
    static let regionTexts = [PVITTokenTexts.regionStart, PVITTokenTexts.regionEnd]
    static let patchText = PVITTokenTexts.patch
    static let imageStartText = PVITTokenTexts.imageStart
    static let imageEndText = PVITTokenTexts.imageEnd

    /// Looks the tokens up in a tokenizer. nil if it lacks one of them.
    package init?(of tokenizer: Tokenizer) {
        guard let patch = tokenizer.id(ofAddedToken: Self.patchText),
            let imageStart = tokenizer.id(ofAddedToken: Self.imageStartText),
            let imageEnd = tokenizer.id(ofAddedToken: Self.imageEndText),
            let regionStart = tokenizer.id(ofAddedToken: PVITTokenTexts.regionStart),
            let regionEnd = tokenizer.id(ofAddedToken: PVITTokenTexts.regionEnd)
        else { return nil }
        self.patch = patch
        self.imageStart = imageStart
        self.imageEnd = imageEnd
        self.regionStart = regionStart
        self.regionEnd = regionEnd
    }
}
