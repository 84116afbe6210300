import Storage
import SystemPackage

/// A JPEG, PNG or WebP file, read row by row. Its pixels are those of Pillow's `Image.open(path).convert("RGB")`.
///
/// The format is recognized by the content. Transparency, EXIF orientation, color profiles and gamma are ignored. Of an
/// animation, the first frame is read.
package struct ImageFile: ~Copyable {
    /// The header of the file.
    package let header: ImageHeader
    private let source: Source

    /// Where the bytes are.
    private enum Source: ~Copyable {
        case file(MappedFile)
        case memory([UInt8])
    }

    /// The number of bytes to use before their pages are dropped.
    private static let stepByteCount = 1 << 20

    /// Opens a file and reads its header.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`; `file.not-found`, `file.unreadable`.
    package init(path: FilePath) throws {
        let source = Source.file(try MappedFile(path: path))
        var header = try Self.read(source) { try ImageHeader(of: $0, passed: $1) }
        header.path = path
        self.header = header
        self.source = source
    }

    /// Reads the header of an image file that is in memory.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`.
    package init(bytes: [UInt8]) throws {
        let source = Source.memory(bytes)
        header = try Self.read(source) { try ImageHeader(of: $0, passed: $1) }
        self.source = source
    }

    /// Decodes the image. This takes memory for a few rows and `header.decodingByteCount`.
    ///
    /// - Parameter row: Called with the RGB samples of each row, from top to bottom.
    /// - Throws: `image.damaged`, and the errors of `row`.
    package func readRows(_ row: (Span<UInt8>) throws -> Void) throws {
        try Self.read(source) { bytes, passed in
            try ImageFormat.decoder(of: bytes).decode(bytes, passed: passed, row: row)
        }
    }

    /// Calls `body` with the file's bytes. Its errors name the file. Pages of a mapped file before the offset that
    /// `body` reports are dropped.
    private static func read<Result>(
        _ source: borrowing Source, _ body: (RawSpan, (Int) -> Void) throws -> Result
    ) throws -> Result {
        switch source {
        case .memory(let bytes): return try body(bytes.span.bytes) { _ in }
        case .file(let file):
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
}
