import Storage
import Tensors

/// The fixed-size record of a tile in the index (`formats/pvq.md`, "Tile records").
struct TileRecord {
    var offset: UInt64
    var storedByteCount: UInt32
    var codec: TileCodec
    var scale: Float
    var checksum: UInt64

    init(offset: UInt64, storedByteCount: UInt32, codec: TileCodec, scale: Float, checksum: UInt64) {
        self.offset = offset
        self.storedByteCount = storedByteCount
        self.codec = codec
        self.scale = scale
        self.checksum = checksum
    }

    /// Appends the record.
    func write(into bytes: inout [UInt8]) {
        bytes.appendLittleEndian(offset)
        bytes.appendLittleEndian(storedByteCount)
        bytes.appendLittleEndian(UInt32(codec.rawValue))
        bytes.appendLittleEndian(scale.bitPattern)
        bytes.appendLittleEndian(UInt32(0))
        bytes.appendLittleEndian(checksum)
    }

    /// Reads a record of `tileRecordByteCount` bytes.
    init(_ span: RawSpan) throws {
        offset = try span.littleEndian(at: 0)
        storedByteCount = try span.littleEndian(at: 8)
        let codecCode: UInt32 = try span.littleEndian(at: 12)
        guard let code = UInt8(exactly: codecCode), let codec = TileCodec(rawValue: code) else {
            throw PVITError(
                .containerTiles, "the codec \(codecCode) of a tile is unknown", remedy: "use a newer version of pvit")
        }
        self.codec = codec
        scale = Float(bitPattern: try span.littleEndian(at: 16))
        guard try span.littleEndian(at: 20, as: UInt32.self) == 0 else {
            throw PVITError(.containerPadding, "reserved bytes of a tile's record are not zero")
        }
        checksum = try span.littleEndian(at: 24)
    }

    /// Throws unless codec, size and scale are valid for a tile with `byteCount` decoded bytes in `encoding`.
    ///
    /// - Parameter needsBase: Whether the file is a packed delta.
    func check(encoding: TensorEncoding, byteCount: Int, needsBase: Bool) throws {
        let size = Int(storedByteCount)
        guard needsBase || !codec.needsBase else {
            throw PVITError(.containerTiles, "a tile is stored relative to a base, but the file is not a packed delta")
        }
        switch codec {
        case .stored:
            guard size == byteCount else {
                throw PVITError(
                    .containerTiles, "a stored tile has \(size) bytes, but encoding and shape need \(byteCount)")
            }
        case .zstd, .zstdPlanes:
            guard size > 0, size < byteCount else {
                throw PVITError(
                    .containerTiles, "a compressed tile has \(size) bytes, but must have 1 to \(byteCount - 1)")
            }
            guard codec == .zstd || encoding.planeCount != nil else {
                throw PVITError(.containerTiles, "a tile in \(encoding) cannot have byte planes")
            }
        case .unchanged:
            guard size == UnchangedTile.byteCount, !encoding.isQuantized else {
                throw PVITError(.containerTiles, "a tile of \(size) bytes in \(encoding) cannot be an unchanged one")
            }
        case .difference:
            guard size > DifferenceTile.headerByteCount, size < byteCount, encoding.differenceType != nil else {
                throw PVITError(
                    .containerTiles, "a tile of \(size) bytes in \(encoding) cannot be stored as differences")
            }
        }
        let scaleIsPossible = encoding.isQuantized ? scale.isFinite && scale.sign == .plus : scale == 1
        guard scaleIsPossible else {
            throw PVITError(.containerTiles, "a tile in \(encoding) cannot have the scale \(scale)")
        }
    }
}
