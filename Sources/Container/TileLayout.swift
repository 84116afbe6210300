import Storage
import Tensors

/// How a tensor is cut into tiles. A tile has whole rows of the outermost dimension, the same number in each tile
/// except the last.
package struct TileLayout: Sendable, Hashable {
    /// The default size of a decoded tile, in bytes. Long rows make larger tiles.
    package static let targetByteCount = 512 << 10

    /// The number of rows in each tile except the last, a multiple of the encoding's `rowsPerGroup`.
    package let rowsPerTile: Int
    /// The number of tiles; 0 for a tensor without elements.
    package let tileCount: Int
    /// The size of all decoded tiles, in bytes.
    package let byteCount: Int

    let encoding: TensorEncoding
    let rows: Int
    let columns: Int

    /// Lays out a tensor.
    ///
    /// - Parameter rowsPerTile: A positive multiple of `rowsPerGroup`; nil chooses tiles of about `targetByteCount`.
    /// - Throws: `container.shape` if the encoding does not support the shape; `container.tiles` if `rowsPerTile` is
    ///   not a positive multiple of `rowsPerGroup` or is more than the rows need; `container.limit` for a tile that is
    ///   too large.
    package init(encoding: TensorEncoding, shape: Shape, rowsPerTile: Int? = nil) throws {
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
                throw PVITError(
                    .containerTiles,
                    "a tensor of shape \(shape) in \(encoding) cannot have tiles of \(rowsPerTile) rows"
                )
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

    /// The rows of a tile in `0..<tileCount`.
    package func rows(ofTile index: Int) -> Range<Int> {
        let start = index * rowsPerTile
        return start..<min(start + rowsPerTile, rows)
    }

    /// The tiles that hold some of `rows`, which are rows of the tensor.
    package func tiles(of rows: Range<Int>) -> Range<Int> {
        guard !rows.isEmpty, rowsPerTile > 0 else { return 0..<0 }
        return rows.lowerBound / rowsPerTile..<(rows.upperBound - 1) / rowsPerTile + 1
    }

    /// The size of a decoded tile in `0..<tileCount`, in bytes.
    package func byteCount(ofTile index: Int) -> Int {
        // Cannot overflow: the initializer computed the size of all rows.
        encoding.byteCount(rows: rows(ofTile: index).count, columns: columns) ?? 0
    }
}
