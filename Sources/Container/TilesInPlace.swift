import Storage

/// Fast access to the stored bytes of verified tiles, for threads that use many of them.
///
/// Valid only during the call of `Container.withTilesInPlace` that provides it.
package struct TilesInPlace {
    /// The location of a tile that is stored uncompressed.
    package struct Location: Sendable {
        fileprivate let number: Int
        fileprivate let offset: Int
    }

    private let file: UnsafeRawPointer
    private let verified: TileBits

    fileprivate init(file: UnsafeRawPointer, verified: TileBits) {
        self.file = file
        self.verified = verified
    }

    /// The start of a tile's bytes; nil if its checksum has not been verified yet.
    package func start(of location: Location) -> UnsafeRawPointer? {
        verified.contains(location.number) ? file + location.offset : nil
    }
}

extension Container {
    /// The location of a tile; nil if it has to be decoded.
    package func location(of tile: StoredTile, in tensor: StoredTensor) -> TilesInPlace.Location? {
        let range = Int(clamping: tile.storedRange.lowerBound)..<Int(clamping: tile.storedRange.upperBound)
        guard tile.codec == .stored, range.upperBound <= file.byteCount else { return nil }
        return TilesInPlace.Location(number: tensor.firstTile + tile.index, offset: range.lowerBound)
    }

    /// Calls `body` with access to the bytes of uncompressed tiles.
    ///
    /// - Parameter body: Gets nil if pages have to be dropped after each use. Its result is discarded if the file could
    ///   not be read.
    /// - Throws: `file.read-failed`, and the errors of `body`.
    package func withTilesInPlace<Result>(_ body: (TilesInPlace?) throws -> Result) throws -> Result {
        try file.withBytes(0..<file.byteCount) { span in
            try span.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress, !dropsPagesAfterUse else { return try body(nil) }
                return try body(TilesInPlace(file: start, verified: verifiedTiles.reader))
            }
        }
    }
}
