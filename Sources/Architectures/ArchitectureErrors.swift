import Storage

extension PVITError.Code {
    /// A member of a model's configuration is absent, malformed or out of range.
    package static let modelConfig = Self("model.config", .badData)
    /// The model needs a computation that this program does not implement.
    package static let modelUnsupported = Self("model.unsupported", .badData)
    /// A member of a vision tower's configuration is absent, malformed or out of range.
    package static let visionConfig = Self("vision.config", .badData)
    /// A vision tower needs a computation that this program does not implement.
    package static let visionUnsupported = Self("vision.unsupported", .badData)
    /// The tensors are not those that `config.json` describes.
    package static let checkpointTensors = Self("checkpoint.tensors", .badData)
    /// The files do not hold the tensors of the image encoder.
    package static let towerTensors = Self("tower.tensors", .badData)
    /// A member of an image encoder's configuration file is absent, malformed or out of range.
    package static let towerConfig = Self("tower.config", .badData)
}
