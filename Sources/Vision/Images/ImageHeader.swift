import Storage
import SystemPackage

/// The header of an image file, which can be read without decoding pixels.
package struct ImageHeader: Sendable, Hashable {
    /// The size of the stored image.
    package let size: PixelSize
    /// How viewers turn the image. Decoding does not.
    package let orientation: ImageOrientation
    /// The memory in bytes for decoding an image that cannot be decoded row by row; otherwise 0.
    package let decodingByteCount: Int
    /// The kind of image in messages, such as `a progressive JPEG`.
    let kind: String
    /// The file, for errors.
    var path: FilePath?

    init(
        size: PixelSize, orientation: ImageOrientation, decodingByteCount: Int = 0, kind: String = "an image"
    ) {
        self.size = size
        self.orientation = orientation
        self.decodingByteCount = decodingByteCount
        self.kind = kind
    }

    /// Reads the header of a JPEG, PNG or WebP file.
    ///
    /// - Parameter passed: See `ImageDecoder.decode`.
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`.
    init(of bytes: RawSpan, passed: (Int) -> Void = { _ in }) throws {
        self = try ImageFormat.decoder(of: bytes).header(of: bytes, passed: passed)
        try size.checkLimits()
    }

    /// Throws unless decoding fits into memory.
    ///
    /// - Parameter room: The available memory in bytes; nil if there is no limit.
    /// - Throws: `image.memory`.
    package func checkDecoding(in room: Int?) throws {
        guard let room, decodingByteCount > max(room, 0) else { return }
        throw PVITError(
            .imageMemory,
            "decoding \(kind) of \(size) pixels takes \(ByteCount(decodingByteCount)), but only "
                + "\(ByteCount(max(room, 0))) are left beside the model",
            file: path,
            remedy: "allow more --memory, reduce the image, or save it as a baseline JPEG or a PNG that is not "
                + "interlaced, which are decoded row by row")
    }
}
