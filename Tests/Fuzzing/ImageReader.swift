import ChecksumSupport
import Vision

/// The most pixels that are decoded: a few bytes may say that they are of a very large image, which takes long.
private let pixelLimit = 1 << 20

/// A JPEG, PNG or WebP image: its header and all its rows, a PNG also with the right checksums.
func readImage(_ bytes: [UInt8]) throws {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
        _ = try? decode(bytes)
        var mended = bytes
        PNGChecksums.mend(&mended)
        try decode(mended)
    } else {
        try decode(bytes)
    }
}

private func decode(_ bytes: [UInt8]) throws {
    try InputFile.with(bytes, named: "image") { path in
        let size = try ImageFile(path: path).header.size
        guard size.width * size.height <= pixelLimit else { return }
        let image = try PixelImage(contentsOf: path)
        precondition(image.pixels.count == image.width * image.height * 3, "an image of another size than it says")
    }
}
