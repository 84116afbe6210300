import Storage

/// One code for each way in which a safetensors file can be wrong.
extension PVITError.Code {
    /// The file is shorter than the eight bytes of the header's length.
    package static let safetensorsTooShort = Self("safetensors.too-short", .badData)
    /// The header says that it is longer than 100 MB.
    package static let safetensorsHeaderTooLarge = Self("safetensors.header-too-large", .badData)
    /// The header reaches past the end of the file.
    package static let safetensorsHeaderLength = Self("safetensors.header-length", .badData)
    /// The header does not begin with `{`.
    package static let safetensorsHeaderStart = Self("safetensors.header-start", .badData)
    /// The header is not UTF-8.
    package static let safetensorsHeaderEncoding = Self("safetensors.header-encoding", .badData)
    /// The header is not a JSON object.
    package static let safetensorsHeaderJSON = Self("safetensors.header-json", .badData)
    /// A tensor name, or a member of an entry, occurs twice.
    package static let safetensorsDuplicateName = Self("safetensors.duplicate-name", .badData)
    /// `__metadata__` is not an object of strings.
    package static let safetensorsMetadata = Self("safetensors.metadata", .badData)
    /// An entry is not an object with `dtype`, `shape` and `data_offsets`.
    package static let safetensorsEntry = Self("safetensors.entry", .badData)
    /// A `dtype` that the format does not have.
    package static let safetensorsUnknownType = Self("safetensors.unknown-type", .badData)
    /// A `dtype` of the format that is not supported.
    package static let safetensorsUnsupportedType = Self("safetensors.unsupported-type", .badData)
    /// A shape with too many extents, or with an extent that is negative, fractional or too large.
    package static let safetensorsShape = Self("safetensors.shape", .badData)
    /// `data_offsets` are not two whole numbers, the first not above the second.
    package static let safetensorsOffsets = Self("safetensors.offsets", .badData)
    /// Type and shape do not need the number of bytes that `data_offsets` span.
    package static let safetensorsSizeMismatch = Self("safetensors.size-mismatch", .badData)
    /// A tensor begins before the previous one ends.
    package static let safetensorsOverlap = Self("safetensors.overlap", .badData)
    /// Bytes between two tensors belong to no tensor.
    package static let safetensorsHole = Self("safetensors.hole", .badData)
    /// Tensors reach past the end of the file.
    package static let safetensorsTruncated = Self("safetensors.truncated", .badData)
    /// There are bytes after the last tensor.
    package static let safetensorsTrailingBytes = Self("safetensors.trailing-bytes", .badData)
}
