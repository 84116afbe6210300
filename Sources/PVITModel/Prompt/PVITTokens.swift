import Architectures
import Tensors
import Tokenization

/// The tokens by which PVIT's prompts show images and regions.
public struct PVITTokens: Sendable, Hashable {
    /// `<im_patch>`: stands for a part of an image, or for a region.
    public let patch: TokenID
    /// `<im_start>`: the parts of an image follow.
    public let imageStart: TokenID
    /// `<im_end>`: the parts of an image end.
    public let imageEnd: TokenID
    /// `<Region>`: a region follows.
    public let regionStart: TokenID
    /// `</Region>`: a region ends.
    public let regionEnd: TokenID

    static let imageText = "<image>"
    static let regionTexts = [PVITTokenTexts.regionStart, PVITTokenTexts.regionEnd]
    static let patchText = PVITTokenTexts.patch
    static let imageStartText = PVITTokenTexts.imageStart
    static let imageEndText = PVITTokenTexts.imageEnd

    /// The tokens of a tokenizer; nil when it lacks some, so that the model is not PVIT's.
    public init?(of tokenizer: Tokenizer) {
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
