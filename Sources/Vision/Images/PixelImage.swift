import Storage

/// An image of 8-bit RGB samples, `[height, width, 3]`, the top row first.
public struct PixelImage: Sendable, Hashable {
    /// The extent in pixels.
    public let size: PixelSize
    /// The samples, `[height, width, 3]`: red, green and blue of each pixel in turn.
    public let pixels: [UInt8]

    /// The number of columns.
    public var width: Int { size.width }
    /// The number of rows.
    public var height: Int { size.height }

    /// Creates an image from samples `[height, width, 3]`.
    ///
    /// - Throws: `image.size` if a side is not positive or the number of samples is wrong, `image.too-large`.
    public init(size: PixelSize, pixels: [UInt8]) throws {
        try size.checkLimits()
        guard pixels.count == size.width * size.height * 3 else {
            throw PVITError(.imageSize, "\(pixels.count) samples are not an RGB image of \(size) pixels")
        }
        self.size = size
        self.pixels = pixels
    }

    /// Creates an image. `body` sets all of its samples, `[height, width, 3]`.
    ///
    /// - Throws: `image.size`, `image.too-large`, and the errors of `body`.
    init(size: PixelSize, _ body: (UnsafeMutableBufferPointer<UInt8>) throws -> Void) throws {
        try size.checkLimits()
        self.size = size
        pixels = try [UInt8](unsafeUninitializedCapacity: size.width * size.height * 3) { buffer, count in
            try body(UnsafeMutableBufferPointer(rebasing: buffer.prefix(size.width * size.height * 3)))
            count = size.width * size.height * 3
        }
    }
}
