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
        func scaled(_ thousandths: Int, _ side: Int, _ scaledSide: Int) -> Double {
            Double(thousandths) / 1000 * Double(side) * (Double(scaledSide) / Double(side))
        }
        let x = [region.left, region.right].map { scaled($0, size.width, scaledSize.width) }
        let y = [region.top, region.bottom].map { scaled($0, size.height, scaledSize.height) }
        box = RegionBox(
            left: Float(min(x[0], x[1])), top: Float(min(y[0], y[1])), right: Float(max(x[0], x[1])),
            bottom: Float(max(y[0], y[1])))
        let (width, height) = (Float(scaledSize.width), Float(scaledSize.height))
        fractions = [box.left / width, box.top / height, box.right / width, box.bottom / height]
    }
}
