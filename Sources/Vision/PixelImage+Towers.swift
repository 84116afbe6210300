import MatrixProducts
import Tensors

extension CLIPVisionTower {
    /// The features of an image of any size, as `features(of:)` gives them.
    ///
    /// The image is resampled straight to the tower's square; nothing is cropped and the proportions are not kept, as in
    /// LLaVA's and PVIT's training.
    ///
    /// - Throws: The errors of resizing and of `features(of:)`.
    public func features(of image: PixelImage) throws -> FloatMatrix {
        let side = configuration.imageSize
        let square = try image.resized(
            to: PixelSize(width: side, height: side), filter: configuration.preparation.filter)
        return try features(of: square.normalizedPlanes(configuration.preparation.statistics))
    }
}

extension RegionEncoder {
    /// Encodes an image of any size, scaled to `configuration`'s edges bilinearly.
    ///
    /// However large the image, no more than `configuration`'s longest edge times its shortest is encoded.
    ///
    /// - Throws: `vision.input` for an image so narrow that nothing would be left of its shorter side; the errors of resizing
    ///   and of `encode(planes:height:width:)`.
    public func encode(_ image: PixelImage) throws -> ImageFeatures {
        let size = try image.size.fitting(
            shortestEdge: configuration.shortestEdge, longestEdge: configuration.longestEdge)
        guard min(size.width, size.height) >= Self.smallestSide else {
            throw PVITError(
                .visionInput,
                "an image of \(image.size) pixels is too narrow for the region encoder, which would see it as \(size)",
                remedy: "cut the image so that its longer side is at most "
                    + "\(configuration.longestEdge / Self.smallestSide) times the shorter")
        }
        let scaled = try image.resized(to: size, filter: .bilinear)
        return try encode(planes: scaled.normalizedPlanes(), height: size.height, width: size.width)
    }
}
