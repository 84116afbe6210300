import Storage
import SystemPackage

/// A JPEG, PNG or WebP file, read row by row. Its pixels are those of Pillow's `Image.open(path).convert("RGB")`.
///
/// The format is recognized by the content. Transparency, EXIF orientation, color profiles and gamma are ignored. Of an
/// animation, the first frame is read.
package struct ImageFile: ~Copyable {
    /// The header of the file.
    package let header: ImageHeader
    private let file: MappedFile

    /// The number of bytes to use before their pages are dropped.
    private static let stepByteCount = 1 << 20

    /// Opens a file and reads its header.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`; `file.not-found`, `file.unreadable`.
    package init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        var header = try Self.read(file) { try ImageHeader(of: $0, passed: $1) }
        header.path = path
        self.header = header
        self.file = file
    }

    /// Decodes the image. This takes memory for a few rows and `header.decodingByteCount`.
    ///
    /// - Parameter row: Called with the RGB samples of each row, from top to bottom.
    /// - Throws: `image.damaged`, and the errors of `row`.
    package func readRows(_ row: (Span<UInt8>) throws -> Void) throws {
        try Self.read(file) { bytes, passed in
            try ImageFormat.decoder(of: bytes).decode(bytes, passed: passed, row: row)
        }
    }

    /// Calls `body` with the file's bytes. Its errors name the file. Pages before the offset that it reports are
    /// dropped.
    private static func read<Result>(
        _ file: borrowing MappedFile, _ body: (RawSpan, (Int) -> Void) throws -> Result
    ) throws -> Result {
        do {
            return try file.withBytes(0..<file.byteCount) { bytes in
                var dropped = 0
                return try body(bytes) { position in
                    // The reader may have started again.
                    if position < dropped { dropped = 0 }
                    guard position - dropped >= stepByteCount else { return }
                    file.advise(.dontNeed, dropped..<position)
                    dropped = position
                }
            }
        } catch let error as PVITError {
            throw error.located(file: file.path)
        }
    }
}
