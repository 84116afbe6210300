import Storage
import Tensors

extension Container {
    /// Looks up tile `number` of a tensor in the index.
    ///
    /// - Throws: `container.tiles` if the tensor has no such tile.
    package func tile(_ number: Int, of tensor: StoredTensor) throws -> StoredTile {
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

    /// Whether some tiles of the tensors have to be decoded before use.
    ///
    /// - Throws: The errors of the index.
    package func hasCompressedTiles(of tensors: [StoredTensor]) throws -> Bool {
        try tensors.contains { tensor in
            try (0..<tensor.tileCount).contains { try tile($0, of: tensor).codec != .stored }
        }
    }

    /// Calls `body` with the decoded bytes of tile `number`: straight from the mapping if the tile is stored, else
    /// decoded into `scratch`. The checksum is verified before the first use.
    ///
    /// - Parameter scratch: Memory that no other thread uses at the same time.
    /// - Throws: `container.tile-checksum`, `container.tile-content`, naming tensor and bytes, and the errors of
    ///   `body`.
    package func withTile<Result: ~Copyable>(
        _ number: Int, of tensor: StoredTensor, scratch: TileScratch,
        _ body: (_ content: RawSpan, _ tile: StoredTile) throws -> Result
    ) throws -> Result {
        let tile = try tile(number, of: tensor)
        return try withTile(tile, of: tensor, scratch: scratch) { try body($0, tile) }
    }

    /// Calls `body` with the decoded bytes of a tile that was looked up before.
    package func withTile<Result: ~Copyable>(
        _ tile: StoredTile, of tensor: StoredTensor, scratch: TileScratch, _ body: (_ content: RawSpan) throws -> Result
    ) throws -> Result {
        try withFileBytes(of: tile, tensor: tensor) { stored in
            try withTile(tile, of: tensor, stored: stored, scratch: scratch, body)
        }
    }

    /// Calls `body` with the decoded bytes of a tile that several threads read at the same time. The first thread
    /// verifies the checksum, and the others do not wait for it.
    ///
    /// Therefore `body` may see bytes that turn out to be damaged. Its results must not be used before all threads have
    /// returned without an error.
    package func withSharedTile<Result: ~Copyable>(
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

    /// Calls `body` with the decoded bytes of a tile whose stored bytes the caller has read from the file.
    package func withTile<Result: ~Copyable>(
        _ tile: StoredTile, of tensor: StoredTensor, stored: RawSpan, scratch: TileScratch,
        _ body: (_ content: RawSpan) throws -> Result
    ) throws -> Result {
        if !verifiedTiles.contains(tensor.firstTile + tile.index) { try check(tile, of: tensor, stored: stored) }
        if tile.codec == .stored { return try body(stored) }
        guard !tile.codec.needsBase else {
            throw PVITError(
                .packedDelta, "tile \(tile.index) is stored relative to a base", file: path, tensor: tensor.name,
                bytes: tile.storedRange)
        }
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

    /// Forgets which tiles are verified. The next use of each tile verifies its checksum again.
    package func forgetVerification() { verifiedTiles.removeAll() }

    /// Calls `body` with the stored bytes of a tile. The checksum is verified before the first use.
    func withStoredBytes<Result: ~Copyable>(
        of tile: StoredTile, tensor: StoredTensor, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        try withFileBytes(of: tile, tensor: tensor) { stored in
            if !verifiedTiles.contains(tensor.firstTile + tile.index) { try check(tile, of: tensor, stored: stored) }
            return try body(stored)
        }
    }

    /// Throws unless the stored bytes of a tile match its checksum, even if it was verified before.
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

    /// Calls `body` with the stored bytes of a tile. If the file cannot be read, the error names the tensor.
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

    /// Opens the file a second time, to read tiles without the page cache.
    ///
    /// - Throws: `file.unreadable` if it cannot be opened or has been replaced.
    package func reopenedForReading() throws -> DirectFile { try DirectFile(reopening: file) }

    /// Gives back the pages of the file that are in memory. They are read again when they are used.
    package func releasePages() { advise(.dontNeed, 0..<UInt64(byteCount)) }

    /// Tells the operating system how a range of the file will be used.
    package func advise(_ advice: MappedFile.Advice, _ range: Range<UInt64>) {
        file.advise(advice, Int(clamping: range.lowerBound)..<Int(clamping: range.upperBound))
    }
}
