import Storage
import SystemPackage

/// What an image file says of itself before its pixels are decoded.
public struct ImageHeader: Sendable, Hashable {
    /// The extent of the pixels as they are stored.
    public let size: PixelSize
    /// How viewers show the pixels. They are decoded as they are stored.
    public let orientation: ImageOrientation
    /// The memory that decoding takes where it cannot be done row by row, otherwise 0.
    public let decodingByteCount: Int
    /// Why that is, such as `a progressive JPEG`.
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
    /// - Parameter passed: Gets a number of bytes at the file's beginning that are not read again soon.
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`.
    init(of bytes: RawSpan, passed: (Int) -> Void = { _ in }) throws {
        self = try ImageFormat.decoder(of: bytes).header(of: bytes, passed: passed)
        try size.checkLimits()
    }

    /// Throws unless decoding fits into some memory.
    ///
    /// - Parameter room: The memory in bytes; nil when there is no limit.
    /// - Throws: `image.memory`.
    public func checkDecoding(in room: Int?) throws {
        guard let room, decodingByteCount > max(room, 0) else { return }
        throw PVITError(
            .imageMemory,
            "\(kind) of \(size) pixels takes \(ByteCount(decodingByteCount)) to be decoded, and "
                + "\(ByteCount(max(room, 0))) are left for it beside the model",
            file: path,
            remedy: "allow more --memory, reduce the image, or save it as a baseline JPEG or a PNG that is not "
                + "interlaced, which are read row by row")
    }
}
