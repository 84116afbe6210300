import LanguageModel
import SystemPackage
import Vision

extension LoadedModel {
    /// Decodes an image and scales it for the model, row by row. The whole image is in memory only if its format
    /// requires that.
    ///
    /// - Parameters:
    ///   - path: The image file.
    ///   - forRegions: Whether the prompts about it may have regions.
    /// - Throws: `model.no-vision`; `image.memory` if decoding takes more memory than the plan leaves for it; the other
    ///   errors of `image.*`; `file.not-found`, `file.unreadable`.
    public func image(contentsOf path: FilePath, forRegions: Bool = true) throws -> PreparedImage {
        let preparation = try requireVision().preparation
        let file = try ImageFile(path: path)
        try file.header.checkDecoding(in: memoryPlan?.decodingByteCount)
        return try (forRegions ? preparation : preparation.withoutRegions).prepare(file)
    }
}
