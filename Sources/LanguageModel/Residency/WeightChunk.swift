import Container
import Tensors

/// Consecutive tiles of a matrix that are read and kept together.
struct WeightChunk: Sendable {
    let tensor: StoredTensor
    let tiles: [StoredTile]
    /// The blocks of the file that hold the tiles.
    let blocks: Range<Int>
    /// The rows of the tiles.
    let rows: Range<Int>
    /// Where each tile's decoded bytes lie when the chunk is decoded, and where the last one ends; a stored tile takes
    /// no room.
    let decodedPlaces: [Int]

    /// The bytes of the file from the first tile's to the last one's.
    var storedRange: Range<Int> {
        Int(tiles[0].storedRange.lowerBound)..<Int(tiles[tiles.count - 1].storedRange.upperBound)
    }
    /// What decoding needs beside the blocks.
    var decodedByteCount: Int { decodedPlaces[tiles.count] }

    fileprivate init(tensor: StoredTensor, tiles: [StoredTile]) {
        self.tensor = tensor
        self.tiles = tiles
        rows = tiles[0].rows.lowerBound..<tiles[tiles.count - 1].rows.upperBound
        blocks = DirectFile.blocks(
            of: Int(tiles[0].storedRange.lowerBound)..<Int(tiles[tiles.count - 1].storedRange.upperBound))
        var places = [0]
        for tile in tiles {
            // On whole cache lines, as in the file.
            let room = tile.codec == .stored ? 0 : (tile.decodedByteCount + 63) / 64 * 64
            places.append(places[places.count - 1] + room)
        }
        decodedPlaces = places
    }
}

/// The weights of a model in the order in which a pass over the layers multiplies by them.
struct WeightChunks: Sendable {
    let chunks: [WeightChunk]
    /// The chunks of each matrix.
    private let ranges: [TensorName: Range<Int>]
    /// The first chunk of each tile of a matrix, counted from the matrix's first.
    private let chunksOfTiles: [TensorName: [Int]]

    /// The memory that all chunks take.
    let byteCount: Int
    /// The memory for one chunk of any kind, as it is read and decoded.
    let slotByteCount: Int
    /// The memory for the blocks of one chunk of any kind.
    let blocksByteCount: Int

    /// Cuts matrices into chunks.
    ///
    /// - Parameters:
    ///   - names: The matrices in the order of a pass.
    ///   - chunkByteCount: About how much is read at a time; a tile that is larger is a chunk.
    /// - Throws: `tensor.not-found`, and the errors of the container's index.
    init(_ names: [TensorName], in container: Container, chunkByteCount: Int) throws {
        var chunks: [WeightChunk] = []
        var ranges: [TensorName: Range<Int>] = [:]
        var chunksOfTiles: [TensorName: [Int]] = [:]
        for name in names {
            guard let tensor = try container.tensor(named: name) else {
                throw PVITError(.tensorNotFound, "the model lacks a tensor", tensor: name)
            }
            let first = chunks.count
            var places: [Int] = []
            var tiles: [StoredTile] = []
            for index in 0..<tensor.tileCount {
                let tile = try container.tile(index, of: tensor)
                if let start = tiles.first?.storedRange.lowerBound,
                    tile.storedRange.upperBound - start > UInt64(chunkByteCount)
                {
                    chunks.append(WeightChunk(tensor: tensor, tiles: tiles))
                    tiles = []
                }
                places.append(chunks.count - first)
                tiles.append(tile)
            }
            if !tiles.isEmpty { chunks.append(WeightChunk(tensor: tensor, tiles: tiles)) }
            ranges[name] = first..<chunks.count
            chunksOfTiles[name] = places
        }
        self.chunks = chunks
        self.ranges = ranges
        self.chunksOfTiles = chunksOfTiles
        byteCount = chunks.reduce(0) { $0 + $1.blocks.count }
        blocksByteCount = chunks.map(\.blocks.count).max() ?? 0
        let decodedByteCount = chunks.map(\.decodedByteCount).max() ?? 0
        // Slots begin with blocks, too.
        slotByteCount = blocksByteCount + DirectFile.blocks(of: 0..<decodedByteCount).count
    }

    /// The chunks of a matrix; nil when the pass does not multiply by it.
    func range(of name: TensorName) -> Range<Int>? { ranges[name] }

    /// The chunk of each tile of a matrix.
    func chunks(ofTilesOf name: TensorName) -> [Int] {
        let first = ranges[name]?.lowerBound ?? 0
        return (chunksOfTiles[name] ?? []).map { first + $0 }
    }

    /// Chooses chunks to keep in `byteCount` bytes, spread evenly over the pass: what is read then arrives while what
    /// is kept is multiplied by.
    func pinned(within byteCount: Int) -> [Bool] {
        var (passed, kept) = (0, 0)
        return chunks.map { chunk in
            let size = chunk.blocks.count
            passed += size
            // As many as the share of the pass so far, and half a chunk ahead of it.
            let share = Int(Double(passed) * min(Double(byteCount) / Double(max(self.byteCount, 1)), 1))
            guard kept + size / 2 <= share, kept + size <= byteCount else { return false }
            kept += size
            return true
        }
    }
}
