import Storage
import Tensors

extension Container {
    /// What the index says of tile `number` of a tensor of this container.
    ///
    /// - Throws: `container.tiles` when the tensor has no such tile.
    public func tile(_ number: Int, of tensor: StoredTensor) throws -> StoredTile {
        guard number >= 0, number < tensor.tileCount else {
            throw PVITError(.containerTiles, "there is no tile number \(number)", file: path, tensor: tensor.name)
        }
        let record = try located(tensor: tensor.name) {
            try withIndex { try index.tile(tensor.firstTile + number, in: $0) }
        }
        return StoredTile(
            index: number, rows: tensor.layout.rows(ofTile: number), codec: record.codec, scale: record.scale,
            storedRange: record.offset..<record.offset + UInt64(record.storedByteCount),
            decodedByteCount: tensor.layout.byteCount(ofTile: number), checksum: record.checksum)
    }

    /// Lends the decoded bytes of tile `number` to `body`: straight from the map when the tile is stored, otherwise
    /// decoded into `scratch`. The checksum is verified before the first use.
    ///
    /// - Parameter scratch: Memory that no other thread uses meanwhile.
    /// - Throws: `container.tile-checksum`, `container.tile-content`, naming tensor and bytes, and whatever `body`
    ///   throws.
    public func withTile<Result: ~Copyable>(
        _ number: Int, of tensor: StoredTensor, scratch: TileScratch,
        _ body: (_ content: RawSpan, _ tile: StoredTile) throws -> Result
    ) throws -> Result {
        let tile = try tile(number, of: tensor)
        return try withTile(tile, of: tensor, scratch: scratch) { try body($0, tile) }
    }

    /// The same for a tile of a tensor of this container that was looked up before.
    public func withTile<Result: ~Copyable>(
        _ tile: StoredTile, of tensor: StoredTensor, scratch: TileScratch, _ body: (_ content: RawSpan) throws -> Result
    ) throws -> Result {
        try withFileBytes(of: tile, tensor: tensor) { stored in
            try withTile(tile, of: tensor, stored: stored, scratch: scratch, body)
        }
    }

    /// The same for one of several threads that read parts of the tile at the same time: the first one verifies the
    /// checksum, and the others do not wait for it.
    ///
    /// So `body` may see bytes that turn out to be damaged. What it made of them must not be used before all the
    /// threads have returned without an error.
    public func withSharedTile<Result: ~Copyable>(
        _ tile: StoredTile, of tensor: StoredTensor, scratch: TileScratch, _ body: (_ content: RawSpan) throws -> Result
    ) throws -> Result {
        guard tile.codec == .stored else { return try withTile(tile, of: tensor, scratch: scratch, body) }
        let number = tensor.firstTile + tile.index
        return try withFileBytes(of: tile, tensor: tensor) { stored in
            if !verifiedTiles.contains(number), verifiedTiles.claim(number) {
                do {
                    try check(tile, of: tensor, stored: stored)
                } catch {
                    verifiedTiles.release(number)
                    throw error
                }
            }
            return try body(stored)
        }
    }

    /// The same for a tile whose stored bytes the caller has read from the file.
    public func withTile<Result: ~Copyable>(
        _ tile: StoredTile, of tensor: StoredTensor, stored: RawSpan, scratch: TileScratch,
        _ body: (_ content: RawSpan) throws -> Result
    ) throws -> Result {
        if !verifiedTiles.contains(tensor.firstTile + tile.index) { try check(tile, of: tensor, stored: stored) }
        if tile.codec == .stored { return try body(stored) }
        do {
            return try scratch.withDecoded(
                stored, codec: tile.codec, encoding: tensor.encoding, byteCount: tile.decodedByteCount
            ) { try body($0) }
        } catch let error as PVITError where error.code == .tileContent {
            var error = error.located(file: path, tensor: tensor.name)
            error.bytes = tile.storedRange
            throw error
        }
    }

    /// Makes the next use of each tile verify its checksum again, as the first one did.
    public func forgetVerification() { verifiedTiles.removeAll() }

    /// Throws unless the stored bytes of a tile have its checksum, whether that was verified before or not.
    func checkAgain(_ tile: StoredTile, of tensor: StoredTensor) throws {
        try withFileBytes(of: tile, tensor: tensor) { try check(tile, of: tensor, stored: $0) }
    }

    private func check(_ tile: StoredTile, of tensor: StoredTensor, stored: RawSpan) throws {
        guard xxh3(stored) == tile.checksum else {
            throw PVITError(
                .tileChecksum, "tile \(tile.index) is damaged", file: path, tensor: tensor.name,
                bytes: tile.storedRange, remedy: .copyAgain)
        }
        verifiedTiles.insert(tensor.firstTile + tile.index)
    }

    /// Lends the stored bytes of a tile. When the file does not deliver them any more, the error names the tensor.
    private func withFileBytes<Result: ~Copyable>(
        of tile: StoredTile, tensor: StoredTensor, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        defer { if dropsPagesAfterUse { advise(.dontNeed, tile.storedRange) } }
        do {
            return try file.withBytes(Int(tile.storedRange.lowerBound)..<Int(tile.storedRange.upperBound), body)
        } catch let error as PVITError where error.code == .readFailed {
            throw error.located(tensor: tensor.name)
        }
    }

    /// Opens the file once more, to read tiles past the page cache.
    ///
    /// - Throws: `file.unreadable` when it cannot be opened, or when another file is there by now.
    public func reopenedForReading() throws -> DirectFile { try DirectFile(reopening: file) }

    /// Tells the operating system how a part of the file will be used, such as the stored bytes of a tile or tensor.
    public func advise(_ advice: MappedFile.Advice, _ range: Range<UInt64>) {
        file.advise(advice, Int(clamping: range.lowerBound)..<Int(clamping: range.upperBound))
    }
}
