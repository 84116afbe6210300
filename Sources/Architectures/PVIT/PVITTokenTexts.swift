/// The texts of the tokens by which PVIT's prompts show images and regions.
package enum PVITTokenTexts {
    /// Stands for a part of an image, or for a region.
    package static let patch = "<im_patch>"
    /// The parts of an image follow.
    package static let imageStart = "<im_start>"
    /// The parts of an image end.
    package static let imageEnd = "<im_end>"
    /// A region follows.
    package static let regionStart = "<Region>"
    /// A region ends.
    package static let regionEnd = "</Region>"

    /// What the tokenizer of a PVIT model has.
    package static let all = [patch, imageStart, imageEnd, regionStart, regionEnd]
}
