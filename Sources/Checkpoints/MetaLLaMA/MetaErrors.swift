import Storage

extension PVITError.Code {
    /// `params.json` lacks a number, or has one that is out of range.
    package static let metaParameters = Self("meta.parameters", .badData)
    /// The files do not hold the tensors that `params.json` describes.
    package static let metaTensors = Self("meta.tensors", .badData)
    /// The slices of a tensor in the files do not match each other or `params.json`.
    package static let metaShape = Self("meta.shape", .badData)
    /// `tokenizer.model` is a vocabulary of tiktoken, not of SentencePiece.
    package static let metaTiktoken = Self("meta.tiktoken", .badData)
}
