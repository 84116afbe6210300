import Storage
import SystemPackage

/// A JPEG, PNG or WebP file, from which the pixels that Pillow's `Image.open(path).convert("RGB")` has are read row by
/// row.
///
/// The format is told by the content. Transparency is dropped, the orientation of EXIF, colour profiles and gamma are
/// ignored. Of an animation it is the first frame.
public struct ImageFile: ~Copyable {
    /// What the file says of itself.
    public let header: ImageHeader
    private let file: MappedFile

    /// How much of the file is used before its pages are given back.
    private static let stepByteCount = 1 << 20

    /// Opens a file and reads its header.
    ///
    /// - Throws: `image.format`, `image.damaged`, `image.too-large`; `file.not-found`, `file.unreadable`.
    public init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        var header = try Self.read(file) { try ImageHeader(of: $0, passed: $1) }
        header.path = path
        self.header = header
        self.file = file
    }

    /// Decodes the image. However many pixels it has, memory is taken for a few rows and `header.decodingByteCount`.
    ///
    /// - Parameter row: Gets the samples of each row, RGB, the top row first.
    /// - Throws: `image.damaged`, and whatever `row` throws.
    public func readRows(_ row: (Span<UInt8>) throws -> Void) throws {
        try Self.read(file) { bytes, passed in
            try ImageFormat.decoder(of: bytes).decode(bytes, passed: passed, row: row)
        }
    }

    /// Lends the file's bytes to `body`, whose errors name the file. Pages that it has passed are given back.
    private static func read<Result>(
        _ file: borrowing MappedFile, _ body: (RawSpan, (Int) -> Void) throws -> Result
    ) throws -> Result {
        do {
            return try file.withBytes(0..<file.byteCount) { bytes in
                var dropped = 0
                return try body(bytes) { position in
                    // A reader may begin again.
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
