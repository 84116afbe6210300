import Storage
import Tensors

extension Digest {
    /// Reads 32 bytes of a file.
    ///
    /// - Throws: `file.truncated` if they do not lie inside the span.
    package init(in span: RawSpan, at offset: Int) throws {
        var bytes = SIMD32<UInt8>()
        for index in 0..<32 { bytes[index] = try span.littleEndian(at: offset + index) }
        self.init(bytes: bytes)
    }
}

/// The digest of all parameters of a model: SHA-256 of names, encodings, shapes and decoded contents. It does not
/// depend on compression, tile sizes or metadata.
package typealias ModelDigest = Digest

/// Computes the digest of one tensor's decoded content.
///
/// Of a plain tensor, the bytes are hashed. Of a quantized tensor, each group is hashed after its tile's scale, so that
/// the digest does not depend on the number of groups in a tile.
struct ContentDigester {
    private var hash = SHA256()
    private let groupByteCount: Int?

    init(encoding: TensorEncoding, shape: Shape) {
        groupByteCount = encoding.isQuantized ? encoding.bytesPerGroup(columns: shape.elementsPerRow) : nil
    }

    mutating func update(tile: RawSpan, scale: Float) {
        guard let groupByteCount, groupByteCount > 0 else {
            hash.update(tile)
            return
        }
        for start in stride(from: 0, to: tile.byteCount, by: groupByteCount) {
            hash.update(littleEndian: scale.bitPattern)
            hash.update(tile.extracting(start..<min(start + groupByteCount, tile.byteCount)))
        }
    }

    func finish() -> Digest { hash.digest }
}

/// Computes the digest of a model from its parameters, in ascending order of their names' UTF-8 bytes.
struct ModelDigester {
    private var hash = SHA256()

    init() { hash.update(Array("PVQ model 1\n".utf8)) }

    mutating func update(name: TensorName, encoding: TensorEncoding, shape: Shape, content: Digest) {
        var bytes: [UInt8] = []
        bytes.appendLittleEndian(UInt32(truncatingIfNeeded: name.rawValue.utf8.count))
        bytes += name.rawValue.utf8
        bytes.append(encoding.code)
        bytes.append(UInt8(truncatingIfNeeded: shape.rank))
        for extent in shape.dimensions { bytes.appendLittleEndian(UInt64(extent)) }
        for index in 0..<32 { bytes.append(content.bytes[index]) }
        hash.update(bytes)
    }

    func finish() -> ModelDigest { hash.digest }
}
