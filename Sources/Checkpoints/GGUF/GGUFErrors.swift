import Storage

/// One code for each way in which a GGUF file can be wrong.
extension PVITError.Code {
    /// The file does not begin with `GGUF`.
    package static let ggufMagic = Self("gguf.magic", .badData)
    /// An unsupported version of the format: 1, or one that does not exist yet.
    package static let ggufVersion = Self("gguf.version", .badData)
    /// The numbers in the file are big-endian.
    package static let ggufBigEndian = Self("gguf.big-endian", .badData)
    /// More keys or tensors than the file has room for, or than are supported.
    package static let ggufCount = Self("gguf.count", .badData)
    /// The file ends inside its header, or a length in it reaches past the end of the file.
    package static let ggufTruncated = Self("gguf.truncated", .badData)
    /// A key is empty, too long or not UTF-8.
    package static let ggufKey = Self("gguf.key", .badData)
    /// A key occurs twice.
    package static let ggufDuplicateKey = Self("gguf.duplicate-key", .badData)
    /// A value has a type that the format does not have, or a boolean is neither 0 nor 1.
    package static let ggufValueType = Self("gguf.value-type", .badData)
    /// An array of arrays.
    package static let ggufNestedArray = Self("gguf.nested-array", .badData)
    /// A text is not UTF-8 or too long.
    package static let ggufText = Self("gguf.text", .badData)
    /// `general.alignment` is not a power of two.
    package static let ggufAlignment = Self("gguf.alignment", .badData)
    /// The name of a tensor is empty, too long or not UTF-8.
    package static let ggufTensorName = Self("gguf.tensor-name", .badData)
    /// Two tensors have one name.
    package static let ggufDuplicateTensor = Self("gguf.duplicate-tensor", .badData)
    /// A shape with too many or too large extents, or with rows that are not a whole number of blocks.
    package static let ggufShape = Self("gguf.shape", .badData)
    /// An element type that the format does not have.
    package static let ggufUnknownType = Self("gguf.unknown-type", .badData)
    /// An element type of the format that is not supported.
    package static let ggufUnsupportedType = Self("gguf.unsupported-type", .badData)
    /// The offset of a tensor is not a multiple of the alignment.
    package static let ggufOffset = Self("gguf.offset", .badData)
    /// Two tensors share bytes.
    package static let ggufOverlap = Self("gguf.overlap", .badData)
    /// A tensor reaches past the end of the file.
    package static let ggufTensorTruncated = Self("gguf.tensor-truncated", .badData)
    /// A key that is needed is absent, or its value is of the wrong type or out of range.
    package static let ggufMetadata = Self("gguf.metadata", .badData)
    /// The architecture of the model is not supported.
    package static let ggufArchitecture = Self("gguf.architecture", .badData)
    /// The rotary embeddings are scaled in a way that is not supported.
    package static let ggufRotaryScaling = Self("gguf.rotary-scaling", .badData)
    /// The tokenizer's tables do not match.
    package static let ggufTokenizer = Self("gguf.tokenizer", .badData)
    /// The tokenizer is of a kind that is not supported.
    package static let ggufUnsupportedTokenizer = Self("gguf.unsupported-tokenizer", .badData)
    /// The files of a split model do not belong together.
    package static let ggufSplit = Self("gguf.split", .badData)
}

extension PVITError.Code {
    /// A number is too large for the type that was asked for.
    package static let numberTooLarge = Self("quantize.overflow", .badData)
}
