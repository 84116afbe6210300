import Storage
import Tensors

/// How the tiles of a tensor are kept.
public enum Compression: Sendable, Hashable {
    /// As they are, so that they can be used straight from the map.
    case none
    /// By zstd, float types after sorting their bytes into planes. Levels are 1 to 19. A tile that would not get at
    /// least 3 % smaller is kept as it is.
    case zstd(level: Int)

    /// Zstd at level 3; higher levels gain next to nothing on weights.
    public static let zstd = Compression.zstd(level: 3)
}

/// A tile as it will lie in the file.
public struct EncodedTile: Sendable {
    /// How the bytes are kept.
    public let codec: TileCodec
    /// What the tile's weights are multiplied by; 1 for plain encodings.
    public let scale: Float
    /// The size of the content.
    public let decodedByteCount: Int
    /// The size in the file.
    public var storedByteCount: Int { compressed?.count ?? decodedByteCount }

    /// The bytes of a compressed tile; a stored tile's are its content.
    let compressed: [UInt8]?
    let checksum: UInt64
}

/// Makes tiles of content: a pure function, so that any number of threads can share the work.
public enum TileEncoder {
    /// Compresses and checksums the content of a tile.
    ///
    /// - Parameters:
    ///   - content: The decoded bytes of the tile: dense rows, or quantized groups.
    ///   - scale: The scale of a quantized tile; 1 for plain encodings.
    /// - Throws: `container.limit` when the content is larger than a tile may be.
    public static func encode(
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

    /// The most bytes that compressed content may take to be worth its decoding: 97 %.
    private static func worthwhile(_ byteCount: Int) -> Int { byteCount / 100 * 97 + byteCount % 100 * 97 / 100 }

    /// The sizes of all planes, then the planes, each as one frame or, where that does not pay, as it is. Nil when the
    /// whole does not pay.
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
