import Storage
import Tensors

/// What the index of a container says of a tensor.
public struct StoredTensor: Sendable, Hashable {
    /// The name; an alias has its own.
    public let name: TensorName
    /// How elements lie in decoded tiles.
    public let encoding: TensorEncoding
    /// The extents, outermost first.
    public let shape: Shape
    /// What the tensor is for.
    public let role: TensorRole
    /// How rows are cut into tiles.
    public let layout: TileLayout
    /// The bytes of the file that hold the tiles and the padding between them; empty for a tensor without elements.
    public let storedRange: Range<UInt64>
    /// How far the elements lie from those of the source, when that was recorded.
    public let statistics: ErrorStatistics?
    /// SHA-256 of the decoded content.
    public let contentDigest: Digest
    /// The tensor whose tiles these are, when this is a second name for it.
    public let aliasOf: TensorName?

    let firstTile: Int

    /// Rows in each tile but the last.
    public var rowsPerTile: Int { layout.rowsPerTile }
    /// The number of tiles.
    public var tileCount: Int { layout.tileCount }
    /// The size of all decoded tiles.
    public var decodedByteCount: Int { layout.byteCount }
    /// The size in the file, padding between tiles included. An alias has the size of what it stands for.
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
                .containerTiles, "\(record.tileCount) tiles are listed where \(layout.tileCount) are needed",
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

/// What the index of a container says of one tile.
public struct StoredTile: Sendable, Hashable {
    /// The tile's number within its tensor.
    public let index: Int
    /// The rows of the tensor that it holds.
    public let rows: Range<Int>
    /// How the bytes are kept.
    public let codec: TileCodec
    /// What the tile's weights are multiplied by; 1 for plain encodings.
    public let scale: Float
    /// Where the bytes lie in the file.
    public let storedRange: Range<UInt64>
    /// The size once decoded.
    public let decodedByteCount: Int

    let checksum: UInt64
}
