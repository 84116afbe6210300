import Storage
import Tensors

/// How the tiles of a tensor are stored.
package enum Compression: Sendable, Hashable {
    /// Uncompressed, so that they can be used straight from the mapping.
    case none
    /// With zstd, levels 1 to 19. The bytes of floats are sorted into planes first. A tile that would not become at
    /// least 3 % smaller is stored uncompressed.
    case zstd(level: Int)

    /// Zstd at level 3. Higher levels hardly help on weights.
    package static let zstd = Compression.zstd(level: 3)
}

/// A tile in the form in which the file stores it.
package struct EncodedTile: Sendable {
    /// How the bytes are stored.
    package let codec: TileCodec
    /// The factor of the tile's weights; 1 for plain encodings.
    package let scale: Float
    /// The size of the content, in bytes.
    package let decodedByteCount: Int
    /// The size in the file, in bytes.
    package var storedByteCount: Int { compressed?.count ?? decodedByteCount }

    /// The bytes of a compressed tile; nil for a stored tile, whose bytes are its content.
    let compressed: [UInt8]?
    let checksum: UInt64
}

/// Encodes tiles. A pure function, so that threads can share the work.
package enum TileEncoder {
    /// Compresses and checksums the content of a tile.
    ///
    /// - Parameters:
    ///   - content: The decoded bytes of the tile: dense rows, or quantized groups.
    ///   - scale: The scale of a quantized tile; 1 for plain encodings.
    /// - Throws: `container.limit` if the content is larger than a tile may be.
    package static func encode(
        _ content: RawSpan, encoding: TensorEncoding, scale: Float = 1, compression: Compression
    ) throws -> EncodedTile {
        guard content.byteCount <= ContainerFormat.maximumTileByteCount else {
            throw PVITError(.containerLimit, "a tile of \(content.byteCount) bytes is too large")
        }
        if case .zstd(let level) = compression {
            let codec: TileCodec
            let compressed: [UInt8]?
            if let width = encoding.planeCount, encoding.isFloatingPoint {
                codec = .zstdPlanes
                compressed = try compressPlanes(content, width: width, level: level)
            } else {
                codec = .zstd
                compressed = try Zstandard.compress(content, level: level, limit: worthwhile(content.byteCount))
            }
            if let compressed {
                return EncodedTile(
                    codec: codec, scale: scale, decodedByteCount: content.byteCount, compressed: compressed,
                    checksum: xxh3(compressed.span.bytes))
            }
        }
        return EncodedTile(
            codec: .stored, scale: scale, decodedByteCount: content.byteCount, compressed: nil, checksum: xxh3(content))
    }

    /// The size up to which compressed content is worth decoding: 97 %.
    private static func worthwhile(_ byteCount: Int) -> Int { byteCount / 100 * 97 + byteCount % 100 * 97 / 100 }

    /// The sizes of all planes, then the planes, each as one frame, or raw if a frame is not worthwhile. Nil if the
    /// whole is not worthwhile.
    private static func compressPlanes(_ content: RawSpan, width: Int, level: Int) throws -> [UInt8]? {
        var sizes: [UInt8] = []
        var planes: [UInt8] = []
        for number in 0..<width {
            let plane = BytePlanes.extract(number, width: width, from: content)
            let frame = try Zstandard.compress(plane.span.bytes, level: level, limit: worthwhile(plane.count))
            sizes.appendLittleEndian(UInt32(truncatingIfNeeded: frame?.count ?? plane.count))
            planes += frame ?? plane
        }
        let result = sizes + planes
        return result.count <= worthwhile(content.byteCount) ? result : nil
    }
}

extension TensorEncoding {
    fileprivate var isFloatingPoint: Bool {
        if case .plain(let type) = self { type.isFloatingPoint } else { false }
    }
}
