import Storage

/// The errors of image files.
extension PVITError.Code {
    /// The file is not an image in a supported format.
    package static let imageFormat = Self("image.format", .badData)
    /// The file is truncated, or its content contradicts its format.
    package static let imageDamaged = Self("image.damaged", .badData)
    /// The image, or the size to resize it to, exceeds the limits.
    package static let imageTooLarge = Self("image.too-large", .badData)
    /// Decoding the image would exceed the memory limit.
    package static let imageMemory = Self("image.memory", .usage)
    /// A width or height is not positive, or does not match the number of samples.
    package static let imageSize = Self("image.size", .badData)
}

extension PVITError {
    static func damagedImage(_ format: ImageFormat, _ reason: String) -> PVITError {
        PVITError(
            .imageDamaged, "the \(format) image cannot be decoded: \(reason)",
            remedy: "copy or download it again, or save it again with another program")
    }
}
