import Storage

extension PVITError.Code {
    /// A member of a model's configuration is absent, malformed or out of range.
    public static let modelConfig = Self("model.config", .badData)
    /// The model is computed in a way that this program does not implement.
    public static let modelUnsupported = Self("model.unsupported", .badData)
    /// A member of a vision tower's configuration is absent, malformed or out of range.
    public static let visionConfig = Self("vision.config", .badData)
    /// A vision tower is computed in a way that this program does not implement.
    public static let visionUnsupported = Self("vision.unsupported", .badData)
    /// The tensors are not those that `config.json` describes.
    public static let checkpointTensors = Self("checkpoint.tensors", .badData)
    /// The files do not hold the encoder that they should.
    public static let towerTensors = Self("tower.tensors", .badData)
    /// The configuration of an encoder lacks a size or has one that is out of range.
    public static let towerConfig = Self("tower.config", .badData)
}
