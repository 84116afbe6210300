import CImageDecoders
import Storage

/// The functions of `CImageDecoders` for one format.
struct CImageDecoder<Header: Sendable>: Sendable {
    /// The format that it decodes.
    let format: ImageFormat
    /// A header to be filled.
    let emptyHeader: Header
    let open: @Sendable (UnsafePointer<UInt8>?, Int) -> OpaquePointer?
    let readHeader: @Sendable (OpaquePointer?, UnsafeMutablePointer<Header>?) -> Bool
    let message: @Sendable (OpaquePointer?) -> UnsafePointer<CChar>?
    let close: @Sendable (OpaquePointer?) -> Void

    /// Reads the header of an image and calls `body` with it and the image, which is open until `body` returns.
    func read<Result>(
        _ bytes: RawSpan, _ body: (OpaquePointer, Header) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBytes { bytes in
            guard let image = open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) else {
                throw PVITError(.internalDefect, "out of memory for decoding a \(format) image")
            }
            defer { close(image) }
            var header = emptyHeader
            try check(readHeader(image, &header), image)
            return try body(image, header)
        }
    }

    /// Checks the result of a function.
    ///
    /// - Throws: `image.damaged` with the library's message.
    func check(_ isDone: Bool, _ image: OpaquePointer) throws {
        guard isDone else { throw PVITError.damagedImage(format, message(image).map { String(cString: $0) } ?? "") }
    }
}
