import Storage
import Tensors

/// A tensor in the index of a container.
package struct StoredTensor: Sendable, Hashable {
    /// The name. An alias has its own.
    package let name: TensorName
    /// How elements are encoded in decoded tiles.
    package let encoding: TensorEncoding
    /// The extents, outermost first.
    package let shape: Shape
    /// The role of the tensor.
    package let role: TensorRole
    /// How rows are cut into tiles.
    package let layout: TileLayout
    /// The bytes of the file with the tiles and the padding between them; empty for a tensor without elements.
    package let storedRange: Range<UInt64>
    /// The quantization error, if it was recorded.
    package let statistics: ErrorStatistics?
    /// SHA-256 of the decoded content.
    package let contentDigest: Digest
    /// The target, if this is an alias.
    package let aliasOf: TensorName?

    let firstTile: Int

    /// The number of rows in each tile except the last.
    package var rowsPerTile: Int { layout.rowsPerTile }
    /// The number of tiles.
    package var tileCount: Int { layout.tileCount }
    /// The size of all decoded tiles, in bytes.
    package var decodedByteCount: Int { layout.byteCount }
    /// The size in the file, in bytes, with the padding between tiles. An alias has the size of its target.
    package var storedByteCount: Int { Int(clamping: storedRange.upperBound - storedRange.lowerBound) }

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
package struct StoredTile: Sendable, Hashable {
    /// The tile's number within its tensor.
    package let index: Int
    /// The rows of the tensor in this tile.
    package let rows: Range<Int>
    /// How the bytes are stored.
    package let codec: TileCodec
    /// The factor of the tile's weights; 1 for plain encodings.
    package let scale: Float
    /// The bytes of the tile in the file.
    package let storedRange: Range<UInt64>
    /// The size of the decoded tile, in bytes.
    package let decodedByteCount: Int

    let checksum: UInt64
}
