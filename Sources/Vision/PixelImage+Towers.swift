import MatrixProducts

extension RegionEncoder {
    /// Encodes an image that has the size to be encoded in.
    ///
    /// - Throws: As `encode(planes:height:width:)`.
    public func encode(_ image: PixelImage) throws -> ImageFeatures {
        try encode(planes: image.normalizedPlanes(), height: image.height, width: image.width)
    }
}
