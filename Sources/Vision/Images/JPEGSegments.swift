import Storage

/// The segments of a JPEG file before its pixels.
enum JPEGSegments {
    private static let startOfScan: UInt8 = 0xDA
    private static let endOfImage: UInt8 = 0xD9
    private static let application1: UInt8 = 0xE1

    /// The orientation that the first block of EXIF states; upright without one, or where the segments are not legible.
    static func orientation(in bytes: RawSpan) -> ImageOrientation {
        func number(at place: Int, byteCount: Int) -> Int? {
            guard place <= bytes.byteCount - byteCount else { return nil }
            return (try? bytes.copyBytes(place..<place + byteCount))?.reduce(0) { $0 << 8 | Int($1) }
        }
        var place = 2
        // Any number of bytes 0xFF may precede a marker.
        while number(at: place, byteCount: 1) == 0xFF {
            guard let marker = number(at: place + 1, byteCount: 1).map({ UInt8($0) }) else { return .upright }
            guard marker != 0xFF else {
                place += 1
                continue
            }
            guard marker != startOfScan, marker != endOfImage,
                let length = number(at: place + 2, byteCount: 2), length >= 2,
                place + 2 + length <= bytes.byteCount
            else { return .upright }
            let content = place + 4..<place + 2 + length
            let block = bytes.extracting(content)
            if marker == application1, EXIFBlock.hasPrefix(block) { return EXIFBlock.orientation(in: block) }
            place = content.upperBound
        }
        return .upright
    }
}
