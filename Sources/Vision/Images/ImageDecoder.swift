import Storage

/// Reads image files of one format: the header, then the pixels row by row.
protocol ImageDecoder {
    /// Reads the header of a file.
    ///
    /// - Parameter passed: See `decode`.
    /// - Throws: `image.damaged`. Sizes are not checked.
    static func header(of bytes: RawSpan, passed: (Int) -> Void) throws -> ImageHeader

    /// Decodes a whole file.
    ///
    /// - Parameters:
    ///   - passed: Called with an offset in the file. The bytes before it are not needed again soon.
    ///   - row: Called with the RGB samples of each row, from top to bottom.
    /// - Throws: `image.damaged`, and the errors of `row`.
    static func decode(_ bytes: RawSpan, passed: (Int) -> Void, row: (Span<UInt8>) throws -> Void) throws
}

extension ImageFormat {
    /// The decoder of this format; nil for formats that are only known by name.
    var decoder: (any ImageDecoder.Type)? {
        switch self {
        case .jpeg: JPEGDecoder.self
        case .png: PNGDecoder.self
        case .webp: WebPDecoder.self
        default: nil
        }
    }

    /// The decoder for the content of a file.
    ///
    /// - Throws: `image.format` if there is none.
    static func decoder(of bytes: RawSpan) throws -> any ImageDecoder.Type {
        let head = try bytes.copyBytes(0..<min(bytes.byteCount, signatureByteCount))
        func unreadable(_ what: String) -> PVITError {
            PVITError(.imageFormat, what, remedy: "convert it to JPEG, PNG or WebP")
        }
        guard let format = ImageFormat(firstBytes: head) else {
            throw unreadable(head.isEmpty ? "the file is empty" : "this is not an image in a known format")
        }
        guard let decoder = format.decoder else { throw unreadable("\(format) files are not supported") }
        return decoder
    }
}
