import Storage

extension PVITError.Code {
    /// What a vision tower was given is not what it computes with, such as the wrong number of pixels.
    public static let visionInput = Self("vision.input", .badData)
}
