import Storage

extension PVITError.Code {
    /// The input of a vision tower is invalid, for example the number of pixels.
    package static let visionInput = Self("vision.input", .badData)
}
