import Container
import Tensors

/// A matrix of a container that kernels multiply by: `[rows, columns]` in tiles of rows.
///
/// Where the bytes come from is not its users' business. Without a stream it is the container's: a stored tile is used
/// in place from the mapped file, a compressed one is decoded into the scratch of the thread that uses it.
final class WeightMatrix: Sendable {
    /// How the numbers lie in a tile.
    enum Layout: Sendable {
        case f32
        case f16
        case bf16
        case q8
        case q4

        var isQuantized: Bool { self == .q8 || self == .q4 }
    }

    let layout: Layout
    let rows: Int
    let columns: Int
    /// The first row of each tile, and `rows`.
    let tileStarts: [Int]
    /// Whether each tile can be used in place, so that parts of it cost no more than their share.
    let isInPlace: [Bool]
    let bytesPerGroup: Int
    let rowsPerGroup: Int
    let container: Container
    private let tensor: StoredTensor
    private let tiles: [StoredTile]
    /// What brings the weights when memory is short, and its chunks: all of the matrix, in order; nil when a pass over
    /// the layers does not multiply by it.
    let stream: WeightStream?
    let chunks: Range<Int>?
    private let chunksOfTiles: [Int]

    var name: TensorName { tensor.name }
    var tileCount: Int { isInPlace.count }

    /// The tensor called `name`.
    ///
    /// - Parameter stream: Brings the weights when memory is short.
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` when it does not have this shape or its numbers are not of a
    ///   type that can be multiplied.
    init(_ name: TensorName, shape: [Int], in container: Container, stream: WeightStream? = nil) throws {
        guard let tensor = try container.tensor(named: name) else {
            throw PVITError(.tensorNotFound, "the model lacks a tensor", tensor: name)
        }
        guard tensor.shape.dimensions == shape else {
            throw PVITError(
                .tensorMismatch,
                "the shape is \(tensor.shape), and the model's configuration asks for \(shape)", tensor: name)
        }
        layout =
            switch tensor.encoding {
            case .plain(.f32): .f32
            case .plain(.f16): .f16
            case .plain(.bf16): .bf16
            case .q8: .q8
            case .q4: .q4
            case .plain(let type):
                throw PVITError(.tensorMismatch, "weights of type \(type) cannot be computed with", tensor: name)
            }
        rows = tensor.shape.rows
        columns = tensor.shape.elementsPerRow
        rowsPerGroup = tensor.encoding.rowsPerGroup
        guard let bytesPerGroup = tensor.encoding.bytesPerGroup(columns: columns) else {
            throw PVITError(.tensorMismatch, "rows of \(columns) cannot be \(tensor.encoding)", tensor: name)
        }
        self.bytesPerGroup = bytesPerGroup
        var starts: [Int] = []
        var inPlace: [Bool] = []
        var tiles: [StoredTile] = []
        var next = 0
        for index in 0..<tensor.tileCount {
            let tile = try container.tile(index, of: tensor)
            guard tile.rows.lowerBound == next, next % rowsPerGroup == 0 else {
                throw PVITError(.tensorMismatch, "the tiles do not follow one another", tensor: name)
            }
            starts.append(next)
            inPlace.append(tile.codec == .stored)
            tiles.append(tile)
            next = tile.rows.upperBound
        }
        guard next == rows else { throw PVITError(.tensorMismatch, "the tiles do not hold all rows", tensor: name) }
        tileStarts = starts + [rows]
        isInPlace = inPlace
        self.container = container
        self.tensor = tensor
        self.tiles = tiles
        self.stream = stream
        chunks = stream?.chunks.range(of: name)
        chunksOfTiles = stream?.chunks.chunks(ofTilesOf: name) ?? []
    }

    /// The tile that holds a row.
    func tile(ofRow row: Int) -> Int {
        var (low, high) = (0, tileCount - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if tileStarts[middle] <= row { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// Whether a range of the file begins in the matrix.
    func holds(_ range: Range<UInt64>?) -> Bool { range.map { tensor.storedRange.contains($0.lowerBound) } ?? false }

    /// What the weights of a tile are multiplied by.
    func scale(ofTile tile: Int) -> Float { tiles[tile].scale }

    /// Where a tile lies that products may use in place; nil when they have to ask for it.
    func place(ofTile tile: Int) -> TilesInPlace.Place? {
        let groups = (tileStarts[tile + 1] - tileStarts[tile] + rowsPerGroup - 1) / rowsPerGroup
        guard stream == nil, groups * bytesPerGroup <= tiles[tile].decodedByteCount else { return nil }
        return container.place(of: tiles[tile], of: tensor)
    }

    /// Lends the bytes of rows `rows`, all of one tile and beginning with a whole group, and the tile's scale, to a
    /// product that multiplies by each row of the matrix once.
    ///
    /// Its threads share the checking of tiles (`Container.withSharedTile`): the product counts when all have returned.
    func withRows<Result>(
        _ rows: Range<Int>, ofTile tile: Int, _ scratch: TileScratch,
        _ body: (UnsafeRawPointer, _ scale: Float) throws -> Result
    ) throws -> Result {
        guard let stream else {
            return try container.withSharedTile(tiles[tile], of: tensor, scratch: scratch) {
                try lend(rows, ofTile: tile, $0, body)
            }
        }
        guard chunks != nil else { return try withTile(tile, scratch) { try lend(rows, ofTile: tile, $0, body) } }
        return try stream.withTile(tile, ofChunk: chunksOfTiles[tile], rows: rows.count, scratch: scratch) {
            try lend(rows, ofTile: tile, $0, body)
        }
    }

    /// Lends the bytes of a tile and its scale at any time.
    func withTile<Result>(
        _ tile: Int, _ scratch: TileScratch, _ body: (UnsafeRawPointer, _ scale: Float) throws -> Result
    ) throws -> Result {
        try withTile(tile, scratch) { try lend(tileStarts[tile]..<tileStarts[tile + 1], ofTile: tile, $0, body) }
    }

    private func withTile<Result>(
        _ tile: Int, _ scratch: TileScratch, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard let stream else {
            return try container.withTile(tiles[tile], of: tensor, scratch: scratch, body)
        }
        return try stream.withTileAside(tiles[tile], of: tensor, scratch: scratch, body)
    }

    private func lend<Result>(
        _ rows: Range<Int>, ofTile tile: Int, _ bytes: RawSpan,
        _ body: (UnsafeRawPointer, _ scale: Float) throws -> Result
    ) throws -> Result {
        let first = (rows.lowerBound - tileStarts[tile]) / rowsPerGroup
        let end = (rows.upperBound - tileStarts[tile] + rowsPerGroup - 1) / rowsPerGroup
        guard first >= 0, first < end, end * bytesPerGroup <= bytes.byteCount else {
            throw PVITError(.tensorMismatch, "a tile is shorter than its rows", tensor: name)
        }
        return try bytes.extracting(first * bytesPerGroup..<end * bytesPerGroup).withUnsafeBytes { pointer in
            guard let start = pointer.baseAddress else {
                throw PVITError(.internalDefect, "a tile has no bytes", tensor: name)
            }
            return try body(start, tiles[tile].scale)
        }
    }
}
