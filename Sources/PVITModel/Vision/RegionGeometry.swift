import Vision

/// Where a region lies in an image that was scaled for the region encoder.
struct RegionGeometry {
    /// In pixels of the scaled image.
    let box: RegionBox
    /// As fractions of the scaled image's sides: left, top, right, bottom.
    let fractions: [Float]

    /// Computes the place in the order, and with the roundings, of PVIT's `region_clip_image_transform` and of its
    /// model.
    ///
    /// - Parameters:
    ///   - size: The size of the image.
    ///   - scaledSize: Its size when it is encoded.
    init(_ region: RegionLocation, size: PixelSize, scaledSize: PixelSize) {
        let edges = SIMD4<Double>(
            Double(region.left), Double(region.top), Double(region.right), Double(region.bottom))
        box = RegionBox(fractions: edges / 1000, of: size, in: scaledSize)
        let fractions = box.fractions(of: scaledSize)
        self.fractions = (0..<4).map { fractions[$0] }
    }
}
