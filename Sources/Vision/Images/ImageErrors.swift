import Storage

/// The ways in which an image can be refused.
extension PVITError.Code {
    /// The file is not an image of a format that is read.
    public static let imageFormat = Self("image.format", .badData)
    /// The file is truncated, or its content contradicts its format.
    public static let imageDamaged = Self("image.damaged", .badData)
    /// The image has more pixels than are decoded, or more are asked for than are made.
    public static let imageTooLarge = Self("image.too-large", .badData)
    /// Decoding the image takes more memory than there is for it.
    public static let imageMemory = Self("image.memory", .usage)
    /// A width or height below one pixel, or a number of samples that they do not need.
    public static let imageSize = Self("image.size", .badData)
}

extension PVITError {
    static func damagedImage(_ format: ImageFormat, _ reason: String) -> PVITError {
        PVITError(
            .imageDamaged, "the \(format) image cannot be decoded: \(reason)",
            remedy: "copy or download it again, or save it anew with another program")
    }
}
