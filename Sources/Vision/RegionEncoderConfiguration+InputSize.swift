import Architectures
import Storage

extension RegionEncoderConfiguration {
    /// The size that an image is scaled to.
    ///
    /// - Throws: `vision.input` if the image is so narrow that too little would be left of its shorter side; the errors
    ///   of `PixelSize.fitting`.
    package func inputSize(of original: PixelSize) throws -> PixelSize {
        let size = try original.fitting(shortestEdge: shortestEdge, longestEdge: longestEdge)
        guard min(size.width, size.height) >= Self.smallestSide else {
            throw PVITError(
                .visionInput,
                "an image of \(original) pixels is too narrow for the region encoder, which would scale it to \(size)",
                remedy: "crop the image so that its longer side is at most \(longestEdge / Self.smallestSide) times "
                    + "the shorter")
        }
        return size
    }
}
