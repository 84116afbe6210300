import LanguageModel
import SystemPackage
import Vision

extension LoadedModel {
    /// Reads an image as the model looks at it, row by row: the pixels of the file are not all in memory at a time,
    /// unless its format asks for it.
    ///
    /// - Parameter forRegions: Whether there may be questions about its regions.
    /// - Throws: `model.no-vision`; `image.memory` when decoding takes more memory than the plan leaves for it; the
    ///   other errors of `image.*`; `file.not-found`, `file.unreadable`.
    public func image(contentsOf path: FilePath, forRegions: Bool = true) throws -> PreparedImage {
        let preparation = try requireVision().preparation
        let file = try ImageFile(path: path)
        try file.header.checkDecoding(in: memoryPlan?.decodingByteCount)
        return try (forRegions ? preparation : preparation.withoutRegions).prepare(file)
    }

    /// Makes of pixels what the model looks at.
    ///
    /// - Throws: `model.no-vision`.
    public func image(_ pixels: PixelImage) throws -> PreparedImage {
        try requireVision().preparation.prepare(pixels)
    }
}
