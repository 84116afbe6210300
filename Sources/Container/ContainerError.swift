import Storage

/// The errors of container files. `formats/vectors/bad` has a file for each.
extension PVITError.Code {
    /// The file does not begin with the container's magic bytes.
    package static let notAContainer = Self("container.not-a-container", .badData)
    /// The header's checksum or fixed content is wrong.
    package static let containerHeader = Self("container.header", .badData)
    /// The file does not end with a footer: it is truncated, was never finished, or has bytes after its end.
    package static let containerEnd = Self("container.end", .badData)
    /// The footer's checksum or fixed content is wrong, or it contradicts the header.
    package static let containerFooter = Self("container.footer", .badData)
    /// The size of the file is not the one in its footer.
    package static let containerSize = Self("container.size", .badData)
    /// The file needs a newer version of the format.
    package static let containerVersion = Self("container.version", .badData)
    /// The file needs features that this reader does not support.
    package static let containerFeatures = Self("container.features", .badData)
    /// The index's checksum, size or fixed content is wrong.
    package static let containerIndex = Self("container.index", .badData)
    /// A count or size exceeds the format's limits.
    package static let containerLimit = Self("container.limit", .badData)
    /// Reserved or padding bytes are not zero.
    package static let containerPadding = Self("container.padding", .badData)
    /// A tensor's name is empty, too long, not UTF-8 or has control characters.
    package static let containerName = Self("container.name", .badData)
    /// Two tensors have the same name, or the sorted order of names is wrong.
    package static let containerOrder = Self("container.order", .badData)
    /// A tensor's encoding or role is unknown, or the two cannot be combined.
    package static let containerEncoding = Self("container.encoding", .badData)
    /// A tensor's shape is impossible or does not fit its encoding.
    package static let containerShape = Self("container.shape", .badData)
    /// A tensor's error statistics are not finite, non-negative numbers.
    package static let containerStatistics = Self("container.statistics", .badData)
    /// The number or size of a tensor's tiles does not match its encoding and shape.
    package static let containerTiles = Self("container.tiles", .badData)
    /// A tensor, a tile, the metadata or the index is at the wrong offset.
    package static let containerLayout = Self("container.layout", .badData)
    /// An alias does not repeat the record of its target.
    package static let containerAlias = Self("container.alias", .badData)
    /// A tile's stored bytes do not match its checksum.
    package static let tileChecksum = Self("container.tile-checksum", .badData)
    /// A tile's stored bytes cannot be decoded, or not to the right size.
    package static let tileContent = Self("container.tile-content", .badData)
    /// A tensor's decoded content does not match its digest.
    package static let contentDigest = Self("container.content-digest", .badData)
    /// The parameters do not match the digest in the footer.
    package static let modelDigest = Self("container.model-digest", .badData)
    /// The metadata does not match its checksum.
    package static let metadataChecksum = Self("container.metadata-checksum", .badData)
    /// The metadata is not one JSON object.
    package static let metadataContent = Self("container.metadata-content", .badData)
    /// A packed delta was given where a model is needed.
    package static let packedDelta = Self("container.packed-delta", .badData)
    /// A tile that is stored relative to a base does not decode to its content: the base is another one.
    package static let otherBase = Self("container.other-base", .badData)
    /// The methods of a container writer were called in the wrong order.
    package static let containerRequest = Self("container.request", .badData)
}
