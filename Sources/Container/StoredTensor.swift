import Storage
import Tensors

/// A tensor in the index of a container.
public struct StoredTensor: Sendable, Hashable {
    /// The name. An alias has its own.
    public let name: TensorName
    /// How elements are encoded in decoded tiles.
    public let encoding: TensorEncoding
    /// The extents, outermost first.
    public let shape: Shape
    /// The role of the tensor.
    public let role: TensorRole
    /// How rows are cut into tiles.
    public let layout: TileLayout
    /// The bytes of the file with the tiles and the padding between them; empty for a tensor without elements.
    public let storedRange: Range<UInt64>
    /// The quantization error, if it was recorded.
    public let statistics: ErrorStatistics?
    /// SHA-256 of the decoded content.
    public let contentDigest: Digest
    /// The target, if this is an alias.
    public let aliasOf: TensorName?

    let firstTile: Int

    /// The number of rows in each tile except the last.
    public var rowsPerTile: Int { layout.rowsPerTile }
    /// The number of tiles.
    public var tileCount: Int { layout.tileCount }
    /// The size of all decoded tiles, in bytes.
    public var decodedByteCount: Int { layout.byteCount }
    /// The size in the file, in bytes, with the padding between tiles. An alias has the size of its target.
    public var storedByteCount: Int { Int(clamping: storedRange.upperBound - storedRange.lowerBound) }

    init(name: TensorName, record: TensorRecord, aliasOf: TensorName?) throws {
        do {
            layout = try TileLayout(
                encoding: record.encoding, shape: record.shape, rowsPerTile: Int(record.rowsPerTile))
        } catch let error as PVITError {
            throw error.located(tensor: name)
        }
        guard layout.tileCount == record.tileCount else {
            throw PVITError(
                .containerTiles, "the tensor has \(record.tileCount) tiles but needs \(layout.tileCount)",
                tensor: name)
        }
        let (end, overflow) = record.offset.addingReportingOverflow(record.storedByteCount)
        guard !overflow, end <= UInt64(Int64.max) else {
            throw PVITError(.containerLayout, "the tensor lies outside the file", tensor: name)
        }
        self.name = name
        self.aliasOf = aliasOf
        encoding = record.encoding
        shape = record.shape
        role = record.role
        storedRange = record.offset..<end
        statistics = record.statistics
        contentDigest = record.contentDigest
        firstTile = Int(record.firstTile)
    }
}

/// A tile in the index of a container.
public struct StoredTile: Sendable, Hashable {
    /// The tile's number within its tensor.
    public let index: Int
    /// The rows of the tensor in this tile.
    public let rows: Range<Int>
    /// How the bytes are stored.
    public let codec: TileCodec
    /// The factor of the tile's weights; 1 for plain encodings.
    public let scale: Float
    /// The bytes of the tile in the file.
    public let storedRange: Range<UInt64>
    /// The size of the decoded tile, in bytes.
    public let decodedByteCount: Int

    let checksum: UInt64
}
