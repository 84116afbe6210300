import SystemPackage
import Tensors

extension PixelImage {
    /// Decodes a JPEG, PNG or WebP file to the pixels that Pillow's `Image.open(path).convert("RGB")` has.
    ///
    /// The format is told by the content. Transparency is dropped, the orientation of EXIF, colour profiles and gamma are
    /// ignored. Of an animation it is the first frame.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`; `file.not-found`, `file.unreadable`.
    public init(contentsOf path: FilePath) throws {
        let file = try MappedFile(path: path)
        do {
            self = try file.withBytes(0..<file.byteCount) { try PixelImage(decoding: $0) }
        } catch let error as PVITError {
            throw error.located(file: path)
        }
    }

    /// Decodes the content of a JPEG, PNG or WebP file; see ``init(contentsOf:)``.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`.
    public init(decoding bytes: RawSpan) throws {
        let head = try bytes.copyBytes(0..<min(bytes.byteCount, ImageFormat.signatureByteCount))
        switch ImageFormat(firstBytes: head) {
        case .jpeg: self = try JPEGDecoder.decode(bytes)
        case .png: self = try PNGDecoder.decode(bytes)
        case .webp: self = try WebPDecoder.decode(bytes)
        case let format?: throw Self.unreadable("this is a \(format) file")
        case nil where head.isEmpty: throw Self.unreadable("the file is empty")
        case nil: throw Self.unreadable("this is not an image of a known format")
        }
    }

    private static func unreadable(_ what: String) -> PVITError {
        PVITError(.imageFormat, what, remedy: "JPEG, PNG and WebP images can be read; convert it to one of them")
    }
}
