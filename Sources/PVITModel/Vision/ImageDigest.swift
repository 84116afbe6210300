import Crypto
import Tensors
import Vision

/// What tells images apart: SHA-256 of an image's size and pixels.
struct ImageDigest: Sendable, Hashable {
    private let bytes: [UInt8]

    init(of image: PixelImage) {
        var hash = SHA256()
        for side in [image.width, image.height] {
            withUnsafeBytes(of: Int64(side).littleEndian) { hash.update(bufferPointer: $0) }
        }
        image.pixels.withUnsafeBytes { hash.update(bufferPointer: $0) }
        bytes = Array(hash.finalize())
    }
}
