import Storage

extension PVITError.Code {
    /// The shapes of a tensor in the base and in the delta or target differ.
    package static let mergeShape = Self("merge.shape", .badData)
    /// A tensor has an element type that cannot be added.
    package static let mergeType = Self("merge.type", .badData)
    /// A tensor of the base is absent from the delta or target.
    package static let mergeMissing = Self("merge.missing-tensor", .badData)
    /// A tensor of the decoder is in the delta or target and absent from the base.
    package static let mergeUnexpected = Self("merge.unexpected-tensor", .badData)
    /// The base or the delta has a number that is too large for float16.
    package static let mergeOverflow = Self("merge.overflow", .badData)
    /// The sum has a number that is infinite or not a number.
    package static let mergeNotFinite = Self("merge.not-finite", .badData)
    /// The sum of base and delta does not look like a model.
    package static let mergeNoModel = Self("merge.no-model", .badData)
    /// The delta says that it was made from another base.
    package static let mergeOtherBase = Self("merge.other-base", .badData)
    /// A delta was given where a model is needed.
    package static let modelIsDelta = Self("model.is-delta", .badData)
    /// A model was given where a delta is needed.
    package static let deltaIsModel = Self("delta.is-model", .badData)
}

extension PVITError.Code {
    /// There is no `config.json`.
    package static let checkpointConfig = Self("checkpoint.config", .badData)
    /// An override has a type that does not exist, or a pattern that matches no tensor.
    package static let badOverride = Self("quantize.override", .usage)
    /// A calibration was stopped, and is not continued as it was begun.
    package static let unfinishedCalibration = Self("calibrate.unfinished", .usage)
    /// Calibration needs more memory than it may use.
    package static let calibrationMemory = Self("calibrate.memory", .usage)
    /// A number of bits per weight cannot be reached.
    package static let badBits = Self("quantize.bits", .usage)
    /// A tensor cannot have the requested type.
    package static let typeNotPossible = Self("quantize.type", .badData)
}
