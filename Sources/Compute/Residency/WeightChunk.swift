import Container
import Storage
import Tensors

/// Consecutive tiles of a matrix that are read and kept together.
package struct WeightChunk: Sendable {
    let tensor: StoredTensor
    let tiles: [StoredTile]
    /// The bytes of the file's blocks that hold the tiles.
    package let blocks: Range<Int>
    /// The rows of the tiles.
    let rows: Range<Int>
    /// The offset of each tile's decoded bytes in the decoded chunk, and the end of the last one. Stored tiles take no
    /// room.
    let decodedOffsets: [Int]

    /// The bytes of the file that the tiles take.
    var storedRange: Range<Int> {
        Int(tiles[0].storedRange.lowerBound)..<Int(tiles[tiles.count - 1].storedRange.upperBound)
    }
    /// The memory that decoding needs in addition to the blocks.
    var decodedByteCount: Int { decodedOffsets[tiles.count] }

    fileprivate init(tensor: StoredTensor, tiles: [StoredTile]) {
        self.tensor = tensor
        self.tiles = tiles
        rows = tiles[0].rows.lowerBound..<tiles[tiles.count - 1].rows.upperBound
        blocks = DirectFile.blocks(
            of: Int(tiles[0].storedRange.lowerBound)..<Int(tiles[tiles.count - 1].storedRange.upperBound))
        var offsets = [0]
        for tile in tiles {
            // On whole cache lines, as in the file.
            let room = tile.codec == .stored ? 0 : (tile.decodedByteCount + 63) / 64 * 64
            offsets.append(offsets[offsets.count - 1] + room)
        }
        decodedOffsets = offsets
    }
}

/// The weights of a model in the order in which a pass over the layers multiplies by them.
package struct WeightChunks: Sendable {
    package let chunks: [WeightChunk]
    /// The chunks of each matrix.
    private let ranges: [TensorName: Range<Int>]
    /// The first chunk of each tile of a matrix, counted from the matrix's first.
    private let chunksOfTiles: [TensorName: [Int]]

    /// The memory for all chunks.
    package let byteCount: Int
    /// The memory for one chunk of any kind, as it is read and decoded.
    package let slotByteCount: Int
    /// The memory for the blocks of one chunk of any kind.
    package let blocksByteCount: Int

    /// Cuts matrices into chunks.
    ///
    /// - Parameters:
    ///   - names: The matrices in the order of a pass.
    ///   - chunkByteCount: The approximate size of a chunk; a larger tile is a chunk of its own.
    /// - Throws: `tensor.not-found`, and the errors of the container's index.
    package init(_ names: [TensorName], in container: Container, chunkByteCount: Int) throws {
        var chunks: [WeightChunk] = []
        var ranges: [TensorName: Range<Int>] = [:]
        var chunksOfTiles: [TensorName: [Int]] = [:]
        for name in names {
            guard let tensor = try container.tensor(named: name) else {
                throw PVITError(.tensorNotFound, "the model lacks a tensor", tensor: name)
            }
            let first = chunks.count
            var ofTiles: [Int] = []
            var tiles: [StoredTile] = []
            for index in 0..<tensor.tileCount {
                let tile = try container.tile(index, of: tensor)
                if let start = tiles.first?.storedRange.lowerBound,
                    tile.storedRange.upperBound - start > UInt64(chunkByteCount)
                {
                    chunks.append(WeightChunk(tensor: tensor, tiles: tiles))
                    tiles = []
                }
                ofTiles.append(chunks.count - first)
                tiles.append(tile)
            }
            if !tiles.isEmpty { chunks.append(WeightChunk(tensor: tensor, tiles: tiles)) }
            ranges[name] = first..<chunks.count
            chunksOfTiles[name] = ofTiles
        }
        self.chunks = chunks
        self.ranges = ranges
        self.chunksOfTiles = chunksOfTiles
        byteCount = chunks.reduce(0) { $0 + $1.blocks.count }
        blocksByteCount = chunks.map(\.blocks.count).max() ?? 0
        let decodedByteCount = chunks.map(\.decodedByteCount).max() ?? 0
        // Every slot begins on a block.
        slotByteCount = blocksByteCount + DirectFile.blocks(of: 0..<decodedByteCount).count
    }

    /// The chunks of a matrix; nil if the pass does not multiply by it.
    func range(of name: TensorName) -> Range<Int>? { ranges[name] }

    /// The chunk of each tile of a matrix.
    func chunks(ofTilesOf name: TensorName) -> [Int] {
        let first = ranges[name]?.lowerBound ?? 0
        return (chunksOfTiles[name] ?? []).map { first + $0 }
    }

    /// Chooses the chunks to keep in `byteCount` bytes. They are spread evenly over the pass, so that the others arrive
    /// while these are multiplied by.
    package func pinned(within byteCount: Int) -> [Bool] {
        var (passed, kept) = (0, 0)
        return chunks.map { chunk in
            let size = chunk.blocks.count
            passed += size
            // In proportion to the part of the pass that has been seen, and half a chunk ahead.
            let share = Int(Double(passed) * min(Double(byteCount) / Double(max(self.byteCount, 1)), 1))
            guard kept + size / 2 <= share, kept + size <= byteCount else { return false }
            kept += size
            return true
        }
    }
}
