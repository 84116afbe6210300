import Vision

/// The coordinates of a region in the image scaled for the region encoder.
struct RegionGeometry {
    /// The box, in pixels of the scaled image.
    let box: RegionBox
    /// The box in fractions of the scaled image's sides: left, top, right, bottom.
    let fractions: [Float]

    /// Computes the coordinates with the order of operations, and so the rounding, of PVIT's
    /// `region_clip_image_transform` and of its model.
    ///
    /// - Parameters:
    ///   - region: The region, in thousandths.
    ///   - size: The size of the original image.
    ///   - scaledSize: The size of the scaled image.
    init(_ region: RegionLocation, size: PixelSize, scaledSize: PixelSize) {
        let edges = SIMD4<Double>(
            Double(region.left), Double(region.top), Double(region.right), Double(region.bottom))
        box = RegionBox(fractions: edges / 1000, of: size, in: scaledSize)
        let fractions = box.fractions(of: scaledSize)
        self.fractions = (0..<4).map { fractions[$0] }
    }
}
