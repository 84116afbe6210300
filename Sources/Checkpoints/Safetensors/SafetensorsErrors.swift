import Storage

/// One code for each way in which a safetensors file can be wrong.
extension PVITError.Code {
    /// The file is shorter than the eight bytes of the header's length.
    public static let safetensorsTooShort = Self("safetensors.too-short", .badData)
    /// The header says that it is longer than 100 MB.
    public static let safetensorsHeaderTooLarge = Self("safetensors.header-too-large", .badData)
    /// The header reaches past the end of the file.
    public static let safetensorsHeaderLength = Self("safetensors.header-length", .badData)
    /// The header does not begin with `{`.
    public static let safetensorsHeaderStart = Self("safetensors.header-start", .badData)
    /// The header is not UTF-8.
    public static let safetensorsHeaderEncoding = Self("safetensors.header-encoding", .badData)
    /// The header is not a JSON object.
    public static let safetensorsHeaderJSON = Self("safetensors.header-json", .badData)
    /// A tensor name, or a member of an entry, occurs twice.
    public static let safetensorsDuplicateName = Self("safetensors.duplicate-name", .badData)
    /// `__metadata__` is not an object of strings.
    public static let safetensorsMetadata = Self("safetensors.metadata", .badData)
    /// An entry is not an object with `dtype`, `shape` and `data_offsets`.
    public static let safetensorsEntry = Self("safetensors.entry", .badData)
    /// A `dtype` that the format does not have.
    public static let safetensorsUnknownType = Self("safetensors.unknown-type", .badData)
    /// A `dtype` of the format that is not supported.
    public static let safetensorsUnsupportedType = Self("safetensors.unsupported-type", .badData)
    /// A shape with too many extents, or with an extent that is negative, fractional or too large.
    public static let safetensorsShape = Self("safetensors.shape", .badData)
    /// `data_offsets` are not two whole numbers, the first not above the second.
    public static let safetensorsOffsets = Self("safetensors.offsets", .badData)
    /// Type and shape do not need the number of bytes that `data_offsets` span.
    public static let safetensorsSizeMismatch = Self("safetensors.size-mismatch", .badData)
    /// A tensor begins before the previous one ends.
    public static let safetensorsOverlap = Self("safetensors.overlap", .badData)
    /// Bytes between two tensors belong to no tensor.
    public static let safetensorsHole = Self("safetensors.hole", .badData)
    /// Tensors reach past the end of the file.
    public static let safetensorsTruncated = Self("safetensors.truncated", .badData)
    /// There are bytes after the last tensor.
    public static let safetensorsTrailingBytes = Self("safetensors.trailing-bytes", .badData)
}
