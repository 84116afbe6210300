import Storage

extension PVITError.Code {
    /// A member of a model's configuration is absent, malformed or out of range.
    public static let modelConfig = Self("model.config", .badData)
    /// The model needs a computation that this program does not implement.
    public static let modelUnsupported = Self("model.unsupported", .badData)
    /// A member of a vision tower's configuration is absent, malformed or out of range.
    public static let visionConfig = Self("vision.config", .badData)
    /// A vision tower needs a computation that this program does not implement.
    public static let visionUnsupported = Self("vision.unsupported", .badData)
    /// The tensors are not those that `config.json` describes.
    public static let checkpointTensors = Self("checkpoint.tensors", .badData)
    /// The files do not hold the tensors of the image encoder.
    public static let towerTensors = Self("tower.tensors", .badData)
    /// A member of an image encoder's configuration file is absent, malformed or out of range.
    public static let towerConfig = Self("tower.config", .badData)
}
