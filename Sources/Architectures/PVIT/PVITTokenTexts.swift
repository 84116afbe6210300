/// The texts of the tokens that represent images and regions in PVIT's prompts.
package enum PVITTokenTexts {
    /// A patch of an image, or a region.
    package static let patch = "<im_patch>"
    /// Before the patches of an image.
    package static let imageStart = "<im_start>"
    /// After the patches of an image.
    package static let imageEnd = "<im_end>"
    /// Before a region.
    package static let regionStart = "<Region>"
    /// After a region.
    package static let regionEnd = "</Region>"

    /// All of them. The tokenizer of a PVIT model has each as an added token.
    package static let all = [patch, imageStart, imageEnd, regionStart, regionEnd]
}
