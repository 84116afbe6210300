import Storage

extension PVITError.Code {
    /// A weight is infinite or not a number, so no code can represent it.
    public static let weightNotFinite = Self("quantize.not-finite", .badData)
    /// The shape or values cannot be encoded in the block formats.
    public static let cannotQuantize = Self("quantize.shape", .badData)
    /// A text cannot be used for calibration.
    public static let badCalibration = Self("quantize.calibration", .badData)
    /// Work that waited for other tiles was abandoned because one of them failed.
    public static let quantizationAbandoned = Self("quantize.abandoned", .internalDefect)
}
