import Architectures

extension PixelImage {
    /// Resizes the image; see ``RowResampler``.
    ///
    /// - Throws: `image.size` if a side is not positive, `image.too-large` if there would be too many pixels.
    package func resized(to newSize: PixelSize, filter: ResamplingFilter) throws -> PixelImage {
        if newSize == size { return self }
        let resampler = try RowResampler(from: size, to: newSize, filter: filter)
        for row in 0..<height { resampler.add(pixels.span.extracting(row * width * 3..<(row + 1) * width * 3)) }
        return try resampler.image()
    }
}
