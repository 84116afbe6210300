import Storage

extension PVITError.Code {
    /// A weight is infinite or not a number, so no code can represent it.
    package static let weightNotFinite = Self("quantize.not-finite", .badData)
    /// The shape or values cannot be encoded in the block formats.
    package static let cannotQuantize = Self("quantize.shape", .badData)
    /// A text cannot be used for calibration.
    package static let badCalibration = Self("quantize.calibration", .badData)
    /// Work that waited for other tiles was abandoned because one of them failed.
    package static let quantizationAbandoned = Self("quantize.abandoned", .internalDefect)
}
