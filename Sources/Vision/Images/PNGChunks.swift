import Storage

/// The chunks of a PNG file, as far as they have names: what they say of the image's orientation, and whether they are
/// complete.
///
/// Pillow stops looking at the chunks after the pixels where there is no chunk any more, and refuses a file that ends
/// inside of one. The same is done here. Checksums are libpng's business.
struct PNGChunks {
    /// How a viewer shows the image.
    private(set) var orientation = ImageOrientation.upright
    /// The name of the chunk after the pixels whose content is cut off; nil when there is none.
    private(set) var incompleteType: String?

    private static let signatureByteCount = 8
    private static let headerByteCount = 8
    private static let checksumByteCount = 4

    /// Walks through a file.
    ///
    /// - Parameter passed: Gets a number of bytes at the file's beginning that the walk is done with.
    init(_ bytes: RawSpan, passed: (Int) -> Void) {
        var place = Self.signatureByteCount
        var (hasPixels, isAnimated) = (false, false)
        while let (type, length) = Self.header(bytes, at: place), type != "IEND" {
            let content = place + Self.headerByteCount
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
            place = content + length + Self.checksumByteCount
            passed(min(place, bytes.byteCount))
        }
    }

    /// The name of a chunk and the length of its content; nil where there is no chunk.
    private static func header(_ bytes: RawSpan, at place: Int) -> (type: String, length: Int)? {
        guard place <= bytes.byteCount - headerByteCount,
            let header = try? bytes.copyBytes(place..<place + headerByteCount),
            header[4...].allSatisfy({ Character(UnicodeScalar($0)).isASCIIWord })
        else { return nil }
        return (String(decoding: header[4...], as: UTF8.self), header[..<4].reduce(0) { $0 << 8 | Int($1) })
    }
}

extension Character {
    /// Whether this is an ASCII letter, digit or underscore.
    fileprivate var isASCIIWord: Bool { isASCII && (isLetter || isNumber || self == "_") }
}
