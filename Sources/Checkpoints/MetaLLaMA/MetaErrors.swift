import Storage

extension PVITError.Code {
    /// `params.json` lacks a number, or has one that is out of range.
    public static let metaParameters = Self("meta.parameters", .badData)
    /// The files do not hold the tensors of the model that `params.json` describes.
    public static let metaTensors = Self("meta.tensors", .badData)
    /// The parts of a tensor in the files do not fit together or to `params.json`.
    public static let metaShape = Self("meta.shape", .badData)
    /// `tokenizer.model` is a vocabulary of tiktoken, not of SentencePiece.
    public static let metaTiktoken = Self("meta.tiktoken", .badData)
}
