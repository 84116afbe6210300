import Storage

/// The ways in which a container can be wrong. Each has a file under `formats/vectors/bad`.
extension PVITError.Code {
    /// The file does not begin with the container's magic bytes.
    public static let notAContainer = Self("container.not-a-container", .badData)
    /// The header's checksum or fixed content is wrong.
    public static let containerHeader = Self("container.header", .badData)
    /// The file does not end with a footer: it is truncated, was never finished, or something follows it.
    public static let containerEnd = Self("container.end", .badData)
    /// The footer's checksum or fixed content is wrong, or it contradicts the header.
    public static let containerFooter = Self("container.footer", .badData)
    /// The file has another size than its footer says.
    public static let containerSize = Self("container.size", .badData)
    /// The file needs a newer version of the format.
    public static let containerVersion = Self("container.version", .badData)
    /// The file needs features that this reader does not know.
    public static let containerFeatures = Self("container.features", .badData)
    /// The index has another checksum, size or fixed content than it must have.
    public static let containerIndex = Self("container.index", .badData)
    /// A count or size exceeds the format's limits.
    public static let containerLimit = Self("container.limit", .badData)
    /// Bytes that are reserved or pad are not zero.
    public static let containerPadding = Self("container.padding", .badData)
    /// A tensor's name is empty, too long, not UTF-8 or has control characters.
    public static let containerName = Self("container.name", .badData)
    /// Two tensors have one name, or the sorted order of names is wrong.
    public static let containerOrder = Self("container.order", .badData)
    /// A tensor's encoding or role is unknown, or the two do not go together.
    public static let containerEncoding = Self("container.encoding", .badData)
    /// A tensor's shape is impossible or does not fit its encoding.
    public static let containerShape = Self("container.shape", .badData)
    /// A tensor's error statistics are not possible numbers.
    public static let containerStatistics = Self("container.statistics", .badData)
    /// A tensor's tiles do not have the number or size that encoding and shape need.
    public static let containerTiles = Self("container.tiles", .badData)
    /// A tensor, a tile, the metadata or the index does not lie where it must.
    public static let containerLayout = Self("container.layout", .badData)
    /// An alias does not repeat the record of the tensor that it stands for.
    public static let containerAlias = Self("container.alias", .badData)
    /// A tile's stored bytes have another checksum than its record.
    public static let tileChecksum = Self("container.tile-checksum", .badData)
    /// A tile's stored bytes cannot be decoded to what encoding and shape need.
    public static let tileContent = Self("container.tile-content", .badData)
    /// A tensor's decoded content has another digest than its record.
    public static let contentDigest = Self("container.content-digest", .badData)
    /// The parameters have another digest than the footer.
    public static let modelDigest = Self("container.model-digest", .badData)
    /// The metadata has another checksum than the footer says.
    public static let metadataChecksum = Self("container.metadata-checksum", .badData)
    /// The metadata cannot be decoded to one JSON object.
    public static let metadataContent = Self("container.metadata-content", .badData)
    /// A call that a container writer cannot carry out.
    public static let containerRequest = Self("container.request", .badData)
}
