import Storage

/// Reads one format of image files: first what it is, then its pixels row by row.
protocol ImageDecoder {
    /// What the file says of itself before its pixels.
    ///
    /// - Parameter passed: As that of `decode`.
    /// - Throws: `image.damaged`; sizes are not judged.
    static func header(of bytes: RawSpan, passed: (Int) -> Void) throws -> ImageHeader

    /// Decodes a whole file.
    ///
    /// - Parameters:
    ///   - passed: Gets a number of bytes at the file's beginning that are not read again soon.
    ///   - row: Gets the samples of each row, RGB, the top row first.
    /// - Throws: `image.damaged`, and whatever `row` throws.
    static func decode(_ bytes: RawSpan, passed: (Int) -> Void, row: (Span<UInt8>) throws -> Void) throws
}

extension ImageFormat {
    /// What reads files of this format; nil for those that are only known by name.
    var decoder: (any ImageDecoder.Type)? {
        switch self {
        case .jpeg: JPEGDecoder.self
        case .png: PNGDecoder.self
        case .webp: WebPDecoder.self
        default: nil
        }
    }

    /// What decodes the content of a file.
    ///
    /// - Throws: `image.format` when nothing does.
    static func decoder(of bytes: RawSpan) throws -> any ImageDecoder.Type {
        let head = try bytes.copyBytes(0..<min(bytes.byteCount, signatureByteCount))
        func unreadable(_ what: String) -> PVITError {
            PVITError(.imageFormat, what, remedy: "JPEG, PNG and WebP images can be read; convert it to one of them")
        }
        guard let format = ImageFormat(firstBytes: head) else {
            throw unreadable(head.isEmpty ? "the file is empty" : "this is not an image of a known format")
        }
        guard let decoder = format.decoder else { throw unreadable("this is a \(format) file") }
        return decoder
    }
}
