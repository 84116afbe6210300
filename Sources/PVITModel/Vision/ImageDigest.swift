import Tensors
import Vision

/// What tells images apart: SHA-256 of an image's size and pixels.
struct ImageDigest: Sendable, Hashable {
    private let digest: Digest

    init(of image: PixelImage) {
        var hash = SHA256()
        for side in [image.width, image.height] { hash.update(littleEndian: Int64(side)) }
        hash.update(image.pixels)
        digest = hash.digest
    }
}
