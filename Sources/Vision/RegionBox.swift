/// A rectangle in an image: its edges, in pixels.
package struct RegionBox: Sendable, Hashable {
    /// The left edge.
    package var left: Float
    /// The upper edge.
    package var top: Float
    /// The right edge.
    package var right: Float
    /// The lower edge.
    package var bottom: Float

    /// Creates a rectangle.
    package init(left: Float, top: Float, right: Float, bottom: Float) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    /// Creates a rectangle in a resized image.
    ///
    /// The corners are computed in double precision, first as pixels of the original, and sorted, so that they may be
    /// given in any order. They are not clamped to the image.
    ///
    /// - Parameters:
    ///   - fractions: Two opposite corners, x, y, x, y, as fractions of the image's sides.
    ///   - original: The size of the original image.
    ///   - resized: The size of the resized image.
    package init(fractions: SIMD4<Double>, of original: PixelSize, in resized: PixelSize) {
        let (width, height) = (Double(original.width), Double(original.height))
        let (scaleX, scaleY) = (Double(resized.width) / width, Double(resized.height) / height)
        let x = (fractions[0] * width * scaleX, fractions[2] * width * scaleX)
        let y = (fractions[1] * height * scaleY, fractions[3] * height * scaleY)
        self.init(
            left: Float(min(x.0, x.1)), top: Float(min(y.0, y.1)), right: Float(max(x.0, x.1)),
            bottom: Float(max(y.0, y.1)))
    }

    /// Left, top, right and bottom as fractions of an image's sides, which PVIT's embedding of boxes takes.
    package func fractions(of size: PixelSize) -> SIMD4<Float> {
        let (width, height) = (Float(size.width), Float(size.height))
        return [left / width, top / height, right / width, bottom / height]
    }
}
