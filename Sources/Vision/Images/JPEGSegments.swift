import Storage

/// The segments of a JPEG file before its pixels.
enum JPEGSegments {
    private static let startOfScan: UInt8 = 0xDA
    private static let endOfImage: UInt8 = 0xD9
    private static let application1: UInt8 = 0xE1

    /// The orientation in the first EXIF block; upright if there is none or the segments are malformed.
    static func orientation(in bytes: RawSpan) -> ImageOrientation {
        func number(at offset: Int, byteCount: Int) -> Int? {
            guard offset <= bytes.byteCount - byteCount else { return nil }
            return (try? bytes.copyBytes(offset..<offset + byteCount))?.reduce(0) { $0 << 8 | Int($1) }
        }
        var offset = 2
        // Any number of bytes 0xFF may precede a marker.
        while number(at: offset, byteCount: 1) == 0xFF {
            guard let marker = number(at: offset + 1, byteCount: 1).map({ UInt8($0) }) else { return .upright }
            guard marker != 0xFF else {
                offset += 1
                continue
            }
            guard marker != startOfScan, marker != endOfImage,
                let length = number(at: offset + 2, byteCount: 2), length >= 2,
                offset + 2 + length <= bytes.byteCount
            else { return .upright }
            let content = offset + 4..<offset + 2 + length
            let block = bytes.extracting(content)
            if marker == application1, EXIFBlock.hasPrefix(block) { return EXIFBlock.orientation(in: block) }
            offset = content.upperBound
        }
        return .upright
    }
}
