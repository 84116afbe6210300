import Storage
import Tensors

/// How a tensor is cut into tiles: whole rows of its outermost dimension, the same number in each tile but the last.
public struct TileLayout: Sendable, Hashable {
    /// The decoded size that a tile has by default, where rows allow it.
    public static let targetByteCount = 512 << 10

    /// Rows in each tile but the last; a multiple of the encoding's `rowsPerGroup`.
    public let rowsPerTile: Int
    /// The number of tiles; 0 for a tensor without elements.
    public let tileCount: Int
    /// The decoded size of all tiles.
    public let byteCount: Int

    let encoding: TensorEncoding
    let rows: Int
    let columns: Int

    /// Lays out a tensor.
    ///
    /// - Parameter rowsPerTile: A positive multiple of `rowsPerGroup`; nil chooses tiles of about `targetByteCount`.
    /// - Throws: `container.shape` when the encoding does not suit the shape; `container.tiles` when `rowsPerTile` is
    ///   no positive multiple of `rowsPerGroup` or is more than the rows need; `container.limit` for a tile over the
    ///   limit.
    public init(encoding: TensorEncoding, shape: Shape, rowsPerTile: Int? = nil) throws {
        let rows = shape.rows
        let columns = shape.elementCount == 0 ? 0 : shape.elementsPerRow
        self.encoding = encoding
        self.rows = rows
        self.columns = columns
        guard shape.elementCount > 0 else {
            guard !encoding.isQuantized, (rowsPerTile ?? 0) == 0 else {
                throw PVITError(.containerTiles, "a tensor of shape \(shape) in \(encoding) cannot have tiles")
            }
            self.rowsPerTile = 0
            tileCount = 0
            byteCount = 0
            return
        }
        guard let groupByteCount = encoding.bytesPerGroup(columns: columns),
            let total = encoding.byteCount(rows: rows, columns: columns)
        else {
            throw PVITError(.containerShape, "a tensor of shape \(shape) cannot be encoded as \(encoding)")
        }
        let group = encoding.rowsPerGroup
        let groupCount = (rows - 1) / group + 1
        let groupsPerTile: Int
        if let rowsPerTile {
            guard rowsPerTile > 0, rowsPerTile % group == 0, rowsPerTile / group <= groupCount else {
                throw PVITError(.containerTiles, "tiles of \(rowsPerTile) rows do not suit \(shape) in \(encoding)")
            }
            groupsPerTile = rowsPerTile / group
        } else {
            groupsPerTile = min(max(1, Self.targetByteCount / groupByteCount), groupCount)
        }
        let (tileByteCount, overflow) = groupsPerTile.multipliedReportingOverflow(by: groupByteCount)
        guard !overflow, tileByteCount <= ContainerFormat.maximumTileByteCount else {
            throw PVITError(
                .containerLimit,
                "a tile of a tensor of shape \(shape) would exceed \(ContainerFormat.maximumTileByteCount) bytes")
        }
        self.rowsPerTile = groupsPerTile * group
        tileCount = (groupCount - 1) / groupsPerTile + 1
        byteCount = total
    }

    /// The number of rows in each tile but the last that gives tiles of about 512 KiB of decoded bytes.
    ///
    /// - Throws: `container.shape` or `container.limit` when the tensor cannot be laid out.
    public static func rowsPerTile(encoding: TensorEncoding, shape: Shape) throws -> Int {
        try TileLayout(encoding: encoding, shape: shape).rowsPerTile
    }

    /// The rows of a tile in `0..<tileCount`.
    public func rows(ofTile index: Int) -> Range<Int> {
        let start = index * rowsPerTile
        return start..<min(start + rowsPerTile, rows)
    }

    /// The decoded size of a tile in `0..<tileCount`.
    public func byteCount(ofTile index: Int) -> Int {
        // Cannot overflow: the initializer computed the size of all rows.
        encoding.byteCount(rows: rows(ofTile: index).count, columns: columns) ?? 0
    }
}
