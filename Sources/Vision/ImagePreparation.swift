import Architectures
import Storage

/// How an image is prepared for a model: as a square for the vision tower, and as a larger image for the region
/// encoder.
package struct ImagePreparation: Sendable, Hashable {
    /// The side of the vision tower's square, in pixels.
    package let squareSide: Int
    /// How the square is resampled.
    package let squareFilter: ResamplingFilter
    /// The configuration of the region encoder; nil for models without one.
    package private(set) var regions: RegionEncoderConfiguration?

    /// The preparation for a vision tower, and for a region encoder if there is one.
    package init(_ tower: CLIPVisionConfiguration, regions: RegionEncoderConfiguration?) {
        squareSide = tower.imageSize
        squareFilter = tower.preparation.filter
        self.regions = regions
    }

    /// The preparation of an image whose regions are not needed.
    package var withoutRegions: ImagePreparation {
        var copy = self
        copy.regions = nil
        return copy
    }

    /// Decodes and prepares an image file row by row.
    ///
    /// - Throws: The errors of reading the file.
    package func prepare(_ file: borrowing ImageFile) throws -> PreparedImage {
        try prepare(size: file.header.size, orientation: file.header.orientation) { try file.readRows($0) }
    }

    /// Prepares an image in memory.
    package func prepare(_ image: PixelImage) throws -> PreparedImage {
        let length = image.width * 3
        return try prepare(size: image.size, orientation: .upright) { row in
            for y in 0..<image.height { try row(image.pixels.span.extracting(y * length..<(y + 1) * length)) }
        }
    }

    private func prepare(
        size: PixelSize, orientation: ImageOrientation, read: ((Span<UInt8>) throws -> Void) throws -> Void
    ) throws -> PreparedImage {
        let square = try RowResampler(
            from: size, to: PixelSize(width: squareSide, height: squareSide), filter: squareFilter)
        // An image that is too narrow for the region encoder can still be used by the vision tower.
        let scaledSize = regions.flatMap { try? $0.inputSize(of: size) }
        let scaled = try scaledSize.map { try RowResampler(from: size, to: $0, filter: .bilinear) }
        try read { row in
            square.add(row)
            scaled?.add(row)
        }
        return PreparedImage(
            size: size, orientation: orientation, square: try square.image(), scaled: try scaled?.image())
    }
}

/// An image that is prepared for a model. The original pixels are not kept.
public struct PreparedImage: Sendable {
    /// The size of the stored original.
    public let size: PixelSize
    /// How viewers turn the original.
    public let orientation: ImageOrientation
    /// Identifies the image.
    package let digest: ImageDigest
    /// The image for the vision tower.
    package let square: PixelImage
    /// The image for the region encoder; nil if there is no encoder or the image is too narrow for it.
    package let scaled: PixelImage?

    init(size: PixelSize, orientation: ImageOrientation, square: PixelImage, scaled: PixelImage?) {
        self.size = size
        self.orientation = orientation
        self.square = square
        self.scaled = scaled
        digest = ImageDigest(size: size, [square, scaled].compactMap(\.self))
    }
}

/// Identifies an image for one model: SHA-256 of the image's size and of its prepared images. Other differences do not
/// matter to the model.
package struct ImageDigest: Sendable, Hashable {
    /// The SHA-256.
    package let digest: Digest

    /// Creates a digest that was computed before.
    package init(_ digest: Digest) { self.digest = digest }

    init(size: PixelSize, _ images: [PixelImage]) {
        var hash = SHA256()
        for size in [size] + images.map(\.size) {
            for side in [size.width, size.height] { hash.update(littleEndian: Int64(side)) }
        }
        for image in images { hash.update(image.pixels) }
        digest = hash.digest
    }
}
