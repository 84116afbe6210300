import Container
import Storage
import Tensors

/// A matrix of a container that kernels multiply by: `[rows, columns]` in tiles of rows.
///
/// The bytes come from a residency: the mapped file or a stream. Stored tiles of a mapped file are used in place,
/// compressed ones are decoded into the scratch of the thread that uses them.
///
/// A convolution's weights `[outputs, channels, height, width]` are a matrix of `outputs` rows. `pack` brings their
/// columns into the order of im2col.
package final class WeightMatrix: Sendable {
    /// How the numbers are laid out in a tile.
    enum Layout: Sendable {
        case f32
        case f16
        case bf16
        case q8
        case q4

        var isQuantized: Bool { self == .q8 || self == .q4 }
    }

    let layout: Layout
    /// The number of rows: the columns of a product.
    package let rows: Int
    /// The length of a row.
    package let columns: Int
    /// The pixels that a convolution's kernel covers: height times width; 1 for a matrix.
    let kernelArea: Int
    /// The first row of each tile, and `rows`.
    let tileStarts: [Int]
    /// Whether each tile is stored uncompressed, so that some of its rows can be read alone.
    let isStored: [Bool]
    let bytesPerGroup: Int
    let rowsPerGroup: Int
    let container: Container
    private let tensor: StoredTensor
    private let tiles: [StoredTile]
    /// Brings the weights when memory is short.
    let stream: WeightStream?
    /// The matrix's chunks of the stream, in order; nil when the stream does not bring it.
    let chunks: Range<Int>?
    private let chunksOfTiles: [Int]

    /// The name in the container.
    package var name: TensorName { tensor.name }
    var tileCount: Int { isStored.count }
    /// How many rows are decompressed together; nil when all tiles are stored uncompressed.
    var rowsReadTogether: Int? { isStored.allSatisfy(\.self) ? nil : tensor.rowsPerTile }

    /// Opens the tensor called `name`.
    ///
    /// - Parameter residency: Where the bytes come from.
    /// - Throws: `tensor.not-found`, or `tensor.mismatch` if it does not have this shape or a type that can be
    ///   multiplied; the errors of reading the container's index.
    package init(
        _ name: TensorName, shape: [Int], in container: Container, residency: WeightResidency = .mapped
    ) throws {
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
        kernelArea = shape.count == 4 ? shape[2] * shape[3] : 1
        rowsPerGroup = tensor.encoding.rowsPerGroup
        guard let bytesPerGroup = tensor.encoding.bytesPerGroup(columns: columns) else {
            throw PVITError(.tensorMismatch, "rows of \(columns) cannot be \(tensor.encoding)", tensor: name)
        }
        self.bytesPerGroup = bytesPerGroup
        var starts: [Int] = []
        var stored: [Bool] = []
        var tiles: [StoredTile] = []
        var next = 0
        for index in 0..<tensor.tileCount {
            let tile = try container.tile(index, of: tensor)
            guard tile.rows.lowerBound == next, next % rowsPerGroup == 0 else {
                throw PVITError(.tensorMismatch, "the tiles do not follow one another", tensor: name)
            }
            starts.append(next)
            stored.append(tile.codec == .stored)
            tiles.append(tile)
            next = tile.rows.upperBound
        }
        guard next == rows else { throw PVITError(.tensorMismatch, "the tiles do not hold all rows", tensor: name) }
        tileStarts = starts + [rows]
        isStored = stored
        self.container = container
        self.tensor = tensor
        self.tiles = tiles
        stream = residency.stream
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

    /// The factor of all quantized weights of a tile.
    func scale(ofTile tile: Int) -> Float { tiles[tile].scale }

    /// The location of a tile that products may use in place; nil when they have to ask for its bytes.
    func location(ofTile tile: Int) -> TilesInPlace.Location? {
        let groups = (tileStarts[tile + 1] - tileStarts[tile] + rowsPerGroup - 1) / rowsPerGroup
        guard stream == nil, groups * bytesPerGroup <= tiles[tile].decodedByteCount else { return nil }
        return container.location(of: tiles[tile], in: tensor)
    }

    /// Lends the bytes of rows `rows`, all of one tile and beginning with a whole group, and the tile's scale, to a
    /// product that multiplies by each row of the matrix once.
    ///
    /// The product's threads share the verification of tiles (`Container.withSharedTile`): its result is valid when all
    /// of them have returned without an error.
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

    /// Lends the bytes of a tile and its scale. It can be called at any time, in any order.
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
