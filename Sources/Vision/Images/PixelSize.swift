import Storage

/// The size of an image in pixels.
public struct PixelSize: Sendable, Hashable, CustomStringConvertible {
    /// The number of columns.
    public var width: Int
    /// The number of rows.
    public var height: Int

    /// The longest side of an image, which is the limit of JPEG.
    public static let maximumSide = 65_535
    /// The largest number of pixels in an image, 2^30 / 6, which is Pillow's limit against decompression bombs.
    public static let maximumPixelCount = 178_956_970

    /// Creates a size.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// The size with the same proportions whose shorter side is `shortest`, or less if the longer one would exceed
    /// `longest`.
    ///
    /// Sides are rounded half up, as in Detectron2's `ResizeShortestEdge`, and are at least 1.
    ///
    /// - Throws: `image.size` if a number is not positive, `image.too-large` if this size exceeds the limits.
    public func fitting(shortestEdge shortest: Int, longestEdge longest: Int) throws -> PixelSize {
        try checkLimits()
        try PixelSize(width: longest, height: shortest).checkLimits()
        let scale = Double(shortest) / Double(min(width, height))
        var fitted = (width: Double(width) * scale, height: Double(height) * scale)
        // The shorter side is exact, not a rounded product.
        if height < width { fitted.height = Double(shortest) } else { fitted.width = Double(shortest) }
        if max(fitted.width, fitted.height) > Double(longest) {
            let scale = Double(longest) / max(fitted.width, fitted.height)
            fitted = (fitted.width * scale, fitted.height * scale)
        }
        return PixelSize(width: max(Int(fitted.width + 0.5), 1), height: max(Int(fitted.height + 0.5), 1))
    }

    /// Throws unless an image can have this size.
    ///
    /// - Throws: `image.size` if a side is below 1, `image.too-large` if the size exceeds the limits.
    package func checkLimits() throws {
        guard width > 0, height > 0 else {
            throw PVITError(.imageSize, "an image cannot have \(self) pixels")
        }
        guard max(width, height) <= Self.maximumSide, width * height <= Self.maximumPixelCount else {
            throw PVITError(
                .imageTooLarge, "an image of \(self) pixels is too large",
                remedy:
                    "reduce it to at most \(Self.maximumSide) pixels per side and \(Self.maximumPixelCount) in total")
        }
    }

    /// The number of samples of an RGB image; `Int.max` if it overflows.
    var sampleCount: Int {
        let (pixels, isTooLarge) = width.multipliedReportingOverflow(by: height)
        return isTooLarge || pixels > .max / 3 ? .max : pixels * 3
    }

    /// Width and height, such as `640 × 480`.
    public var description: String { "\(width) × \(height)" }
}
