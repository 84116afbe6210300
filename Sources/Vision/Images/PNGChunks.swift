import Storage

/// The chunks of a PNG file: the orientation in them, and whether they are complete.
///
/// As in Pillow, reading stops at the first bytes that are not a chunk, and a file that ends inside a chunk is refused.
/// libpng verifies the checksums.
struct PNGChunks {
    /// How a viewer shows the image.
    private(set) var orientation = ImageOrientation.upright
    /// The name of the chunk after the pixels whose content is truncated; nil if there is none.
    private(set) var incompleteType: String?

    private static let signatureByteCount = 8
    private static let headerByteCount = 8
    private static let checksumByteCount = 4

    /// Reads the chunks of a file.
    ///
    /// - Parameter passed: See `ImageDecoder.decode`.
    init(_ bytes: RawSpan, passed: (Int) -> Void) {
        var offset = Self.signatureByteCount
        var (hasPixels, isAnimated) = (false, false)
        while let (type, length) = Self.header(bytes, at: offset), type != "IEND" {
            let content = offset + Self.headerByteCount
            let isWhole = length <= bytes.byteCount - content
            switch type {
            case "IDAT": hasPixels = true
            case "acTL" where !hasPixels: isAnimated = true
            case "fcTL" where hasPixels && isAnimated: return
            case "eXIf" where isWhole:
                orientation = EXIFBlock.orientation(in: bytes.extracting(content..<content + length))
            default: break
            }
            guard isWhole else {
                if hasPixels, type != "IDAT" { incompleteType = type }
                return
            }
            offset = content + length + Self.checksumByteCount
            passed(min(offset, bytes.byteCount))
        }
    }

    /// The name of a chunk and the length of its content; nil if there is no chunk.
    private static func header(_ bytes: RawSpan, at offset: Int) -> (type: String, length: Int)? {
        guard offset <= bytes.byteCount - headerByteCount,
            let header = try? bytes.copyBytes(offset..<offset + headerByteCount),
            header[4...].allSatisfy({ Character(UnicodeScalar($0)).isASCIIWord })
        else { return nil }
        return (String(decoding: header[4...], as: UTF8.self), header[..<4].reduce(0) { $0 << 8 | Int($1) })
    }
}

extension Character {
    /// Whether this is an ASCII letter, digit or underscore.
    fileprivate var isASCIIWord: Bool { isASCII && (isLetter || isNumber || self == "_") }
}
