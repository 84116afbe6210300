import MatrixProducts

extension CLIPVisionTower {
    /// The features of an image of any size, as `features(of:)` gives them.
    ///
    /// The image is resampled straight to the tower's square, bicubically; nothing is cropped and the proportions are not
    /// kept, as in LLaVA's and PVIT's training.
    ///
    /// - Throws: The errors of resizing and of `features(of:)`.
    public func features(of image: PixelImage) throws -> FloatMatrix {
        let side = configuration.imageSize
        let square = try image.resized(to: PixelSize(width: side, height: side), filter: .bicubic)
        return try features(of: square.normalizedPlanes())
    }
}

extension RegionEncoder {
    /// Encodes an image of any size, scaled to `configuration`'s edges bilinearly.
    ///
    /// - Throws: The errors of resizing and of `encode(planes:height:width:)`.
    public func encode(_ image: PixelImage) throws -> ImageFeatures {
        let size = try image.size.fitting(
            shortestEdge: configuration.shortestEdge, longestEdge: configuration.longestEdge)
        let scaled = try image.resized(to: size, filter: .bilinear)
        return try encode(planes: scaled.normalizedPlanes(), height: size.height, width: size.width)
    }
}
