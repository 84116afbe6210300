import SystemPackage

extension PixelImage {
    /// Decodes an image file; see ``ImageFile``.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`; `file.not-found`, `file.unreadable`.
    public init(contentsOf path: FilePath) throws {
        let file = try ImageFile(path: path)
        self = try PixelImage(size: file.header.size) { try file.readRows($0) }
    }

    /// Decodes the content of a JPEG, PNG or WebP file; see ``ImageFile``.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`.
    public init(decoding bytes: RawSpan) throws {
        let header = try ImageHeader(of: bytes)
        self = try PixelImage(size: header.size) { row in
            try ImageFormat.decoder(of: bytes).decode(bytes, passed: { _ in }, row: row)
        }
    }

    /// Creates an image from all rows, which `read` provides.
    private init(size: PixelSize, read: ((Span<UInt8>) throws -> Void) throws -> Void) throws {
        try self.init(size: size) { (pixels: UnsafeMutableBufferPointer<UInt8>) in
            var offset = 0
            try read { row in
                row.withUnsafeBufferPointer { row in
                    offset = pixels[offset...].update(fromContentsOf: row)
                }
            }
        }
    }
}
