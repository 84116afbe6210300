import Storage

extension PVITError.Code {
    /// A weight is infinite or not a number, so that no code stands for it.
    public static let weightNotFinite = Self("quantize.not-finite", .badData)
    /// The encoder was asked for something that its block formats do not allow.
    public static let cannotQuantize = Self("quantize.shape", .badData)
    /// A text cannot serve for calibration.
    public static let badCalibration = Self("quantize.calibration", .badData)
    /// Work that waited for other tiles was given up because one of them failed.
    public static let quantizationAbandoned = Self("quantize.abandoned", .internalDefect)
}
