import Storage

/// One code for each way in which a GGUF file can be wrong.
extension PVITError.Code {
    /// The file does not begin with `GGUF`.
    public static let ggufMagic = Self("gguf.magic", .badData)
    /// An unsupported version of the format: 1, or one that does not exist yet.
    public static let ggufVersion = Self("gguf.version", .badData)
    /// The numbers in the file are big-endian.
    public static let ggufBigEndian = Self("gguf.big-endian", .badData)
    /// More keys or tensors than the file has room for, or than are supported.
    public static let ggufCount = Self("gguf.count", .badData)
    /// The file ends inside its header, or a length in it reaches past the end of the file.
    public static let ggufTruncated = Self("gguf.truncated", .badData)
    /// A key is empty, too long or not UTF-8.
    public static let ggufKey = Self("gguf.key", .badData)
    /// A key occurs twice.
    public static let ggufDuplicateKey = Self("gguf.duplicate-key", .badData)
    /// A value has a type that the format does not have, or a boolean is neither 0 nor 1.
    public static let ggufValueType = Self("gguf.value-type", .badData)
    /// An array of arrays.
    public static let ggufNestedArray = Self("gguf.nested-array", .badData)
    /// A text is not UTF-8 or too long.
    public static let ggufText = Self("gguf.text", .badData)
    /// `general.alignment` is not a power of two.
    public static let ggufAlignment = Self("gguf.alignment", .badData)
    /// The name of a tensor is empty, too long or not UTF-8.
    public static let ggufTensorName = Self("gguf.tensor-name", .badData)
    /// Two tensors have one name.
    public static let ggufDuplicateTensor = Self("gguf.duplicate-tensor", .badData)
    /// A shape with too many or too large extents, or with rows that are not a whole number of blocks.
    public static let ggufShape = Self("gguf.shape", .badData)
    /// An element type that the format does not have.
    public static let ggufUnknownType = Self("gguf.unknown-type", .badData)
    /// An element type of the format that is not supported.
    public static let ggufUnsupportedType = Self("gguf.unsupported-type", .badData)
    /// The offset of a tensor is not a multiple of the alignment.
    public static let ggufOffset = Self("gguf.offset", .badData)
    /// Two tensors share bytes.
    public static let ggufOverlap = Self("gguf.overlap", .badData)
    /// A tensor reaches past the end of the file.
    public static let ggufTensorTruncated = Self("gguf.tensor-truncated", .badData)
    /// A key that is needed is absent, or its value is of the wrong type or out of range.
    public static let ggufMetadata = Self("gguf.metadata", .badData)
    /// The architecture of the model is not supported.
    public static let ggufArchitecture = Self("gguf.architecture", .badData)
    /// The rotary embeddings are scaled in a way that is not supported.
    public static let ggufRotaryScaling = Self("gguf.rotary-scaling", .badData)
    /// The tokenizer's tables do not match.
    public static let ggufTokenizer = Self("gguf.tokenizer", .badData)
    /// The tokenizer is of a kind that is not supported.
    public static let ggufUnsupportedTokenizer = Self("gguf.unsupported-tokenizer", .badData)
    /// The files of a split model do not belong together.
    public static let ggufSplit = Self("gguf.split", .badData)
}

extension PVITError.Code {
    /// A number is too large for the type that was asked for.
    public static let numberTooLarge = Self("quantize.overflow", .badData)
}
