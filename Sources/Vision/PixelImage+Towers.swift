import Architectures
import Compute

extension CLIPVisionTower {
    /// The features of an image of any size.
    ///
    /// The image is resampled straight to the tower's square, without cropping and without keeping its proportions, as
    /// in LLaVA's and PVIT's training.
    ///
    /// - Throws: The errors of resizing and of `features(of:)`.
    package func features(of image: PixelImage) throws -> Matrix {
        let side = configuration.imageSize
        let square = try image.resized(
            to: PixelSize(width: side, height: side), filter: configuration.preparation.filter)
        return try features(ofSquare: square)
    }

    /// The features of an image that has the tower's size.
    ///
    /// - Parameter betweenLayers: Called after each layer. What it throws ends the computation.
    /// - Throws: The errors of `features(of:)`.
    package func features(ofSquare image: PixelImage, betweenLayers: () throws -> Void = {}) throws -> Matrix {
        try features(of: image.normalizedPlanes(configuration.preparation.statistics), betweenLayers: betweenLayers)
    }
}

extension RegionEncoder {
    /// Encodes an image of any size, scaled bilinearly to the edges in `configuration`.
    ///
    /// - Throws: `vision.input` if the image is too narrow; the errors of resizing and of
    ///   `encode(planes:height:width:)`.
    package func encode(_ image: PixelImage) throws -> ImageFeatures {
        let size = try configuration.inputSize(of: image.size)
        return try encode(scaled: image.resized(to: size, filter: .bilinear))
    }

    /// Encodes an image that already has the right size.
    ///
    /// - Parameter betweenLayers: Called after each block of layers. What it throws ends the computation.
    /// - Throws: The errors of `encode(planes:height:width:)`.
    package func encode(scaled image: PixelImage, betweenLayers: () throws -> Void = {}) throws -> ImageFeatures {
        try encode(
            planes: image.normalizedPlanes(), height: image.height, width: image.width, betweenLayers: betweenLayers)
    }
}
