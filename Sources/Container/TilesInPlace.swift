import Storage

/// The stored bytes of verified tiles, for threads that use many of them at a time: asking for a tile costs next to
/// nothing.
///
/// Valid only within the call of `Container.withTilesInPlace` that lends it.
public struct TilesInPlace {
    /// A tile that is stored as it is used.
    public struct Place: Sendable {
        fileprivate let number: Int
        fileprivate let offset: Int
    }

    private let file: UnsafeRawPointer
    private let verified: TileBits

    fileprivate init(file: UnsafeRawPointer, verified: TileBits) {
        self.file = file
        self.verified = verified
    }

    /// Where the bytes of a tile of the container begin; nil when its checksum was not verified yet.
    public func start(of place: Place) -> UnsafeRawPointer? {
        verified.contains(place.number) ? file + place.offset : nil
    }
}

extension Container {
    /// Where a tile of a tensor of this container lies; nil when it has to be decoded.
    public func place(of tile: StoredTile, of tensor: StoredTensor) -> TilesInPlace.Place? {
        let range = Int(clamping: tile.storedRange.lowerBound)..<Int(clamping: tile.storedRange.upperBound)
        guard tile.codec == .stored, range.upperBound <= file.byteCount else { return nil }
        return TilesInPlace.Place(number: tensor.firstTile + tile.index, offset: range.lowerBound)
    }

    /// Lends the bytes of tiles that are used in place.
    ///
    /// - Parameter body: Gets nil when pages have to leave the memory after each use. What it returns is dropped when
    ///   the file did not deliver its bytes.
    /// - Throws: `file.read-failed`, and whatever `body` throws.
    public func withTilesInPlace<Result>(_ body: (TilesInPlace?) throws -> Result) throws -> Result {
        try file.withBytes(0..<file.byteCount) { span in
            try span.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress, !dropsPagesAfterUse else { return try body(nil) }
                return try body(TilesInPlace(file: start, verified: verifiedTiles.reader))
            }
        }
    }
}
