import Storage
import Tensors

/// The stored bytes of a tile that is the same as the base's: the XXH3 of its decoded bytes.
enum UnchangedTile {
    static let byteCount = 8
}

/// The stored bytes of a tile of differences: the XXH3 of its decoded bytes, the size of the coded stream (`u32`), that
/// stream, and the raw bits.
enum DifferenceTile {
    static let headerByteCount = 12

    static func encoded(_ streams: DifferenceCoder.Streams, contentChecksum: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(headerByteCount + streams.coded.count + streams.raw.count)
        bytes.appendLittleEndian(contentChecksum)
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: streams.coded.count))
        bytes += streams.coded
        bytes += streams.raw
        return bytes
    }
}

extension TileEncoder {
    /// Encodes a tile of a packed delta in the codec that takes the fewest bytes: as it is, compressed, or relative to
    /// its base.
    ///
    /// - Parameters:
    ///   - base: The bytes of the base's tile in the same encoding, with zeros for rows that the base lacks; as many as
    ///     `content`.
    ///   - encoding: A plain encoding.
    ///   - columns: The number of elements in a row.
    package static func encode(
        _ content: RawSpan, base: RawSpan, encoding: TensorEncoding, columns: Int
    ) throws -> EncodedTile {
        guard content.byteCount == base.byteCount else {
            throw PVITError(.internalDefect, "a tile and its base have different sizes")
        }
        let contentChecksum = xxh3(content)
        if content.byteCount > UnchangedTile.byteCount, compare(content, base) == 0 {
            var bytes: [UInt8] = []
            bytes.appendLittleEndian(contentChecksum)
            return tile(bytes, codec: .unchanged, decodedByteCount: content.byteCount)
        }
        let whole = try encode(content, encoding: encoding, compression: .zstd)
        guard let type = encoding.differenceType,
            let streams = try DifferenceCoder.encode(content, base: base, type: type, columns: columns)
        else { return whole }
        let bytes = DifferenceTile.encoded(streams, contentChecksum: contentChecksum)
        return bytes.count < whole.storedByteCount
            ? tile(bytes, codec: .difference, decodedByteCount: content.byteCount) : whole
    }

    private static func tile(_ bytes: [UInt8], codec: TileCodec, decodedByteCount: Int) -> EncodedTile {
        EncodedTile(
            codec: codec, scale: 1, decodedByteCount: decodedByteCount, compressed: bytes,
            checksum: xxh3(bytes.span.bytes))
    }
}

extension Container {
    /// Decodes a tile of a packed delta.
    ///
    /// - Parameters:
    ///   - base: The bytes of the base's tile in the tensor's encoding, with zeros for rows that the base lacks. Only
    ///     used for tiles that need it.
    ///   - destination: As many bytes as the decoded tile has.
    /// - Throws: `container.other-base` if the base is not the one that the file was made from, and the errors of
    ///   `withTile`.
    package func readTile(
        _ number: Int, of tensor: StoredTensor, base: RawSpan, scratch: TileScratch,
        into destination: inout MutableRawSpan
    ) throws {
        let tile = try tile(number, of: tensor)
        guard destination.byteCount == tile.decodedByteCount else {
            throw PVITError(.internalDefect, "a tile is decoded to the wrong number of bytes")
        }
        guard tile.codec.needsBase else {
            return try withTile(tile, of: tensor, scratch: scratch) { destination.copy($0) }
        }
        guard base.byteCount == tile.decodedByteCount else {
            throw PVITError(.internalDefect, "the base of a tile has the wrong number of bytes")
        }
        try withStoredBytes(of: tile, tensor: tensor) { stored in
            do {
                try decode(stored, tile, of: tensor, base: base, into: &destination)
            } catch let error as PVITError {
                var error = error.located(file: path, tensor: tensor.name)
                error.bytes = error.bytes ?? tile.storedRange
                throw error
            }
        }
    }

    private func decode(
        _ stored: RawSpan, _ tile: StoredTile, of tensor: StoredTensor, base: RawSpan,
        into destination: inout MutableRawSpan
    ) throws {
        if tile.codec == .unchanged {
            destination.copy(base)
        } else {
            let header = DifferenceTile.headerByteCount
            let codedByteCount = Int(try stored.littleEndian(at: 8, as: UInt32.self))
            guard let type = tensor.encoding.differenceType, codedByteCount <= stored.byteCount - header else {
                throw PVITError(.tileContent, "the streams of a tile have impossible sizes")
            }
            let isWhole = try DifferenceCoder.decode(
                coded: stored.extracting(header..<header + codedByteCount),
                raw: stored.extracting(header + codedByteCount..<stored.byteCount), base: base, type: type,
                columns: tensor.shape.elementsPerRow, into: &destination)
            // With another base, the streams end elsewhere.
            guard isWhole else { throw Self.otherBase }
        }
        guard try stored.littleEndian(at: 0) == xxh3(destination.bytes) else { throw Self.otherBase }
    }

    private static var otherBase: PVITError {
        PVITError(
            .otherBase, "the base is not the one that the delta was made from: this tensor differs",
            remedy: "give the base that the delta was made from")
    }
}
