import Storage

/// A block of EXIF (CIPA DC-008): a TIFF header and a list of tags, of which only the orientation is read. Whatever is
/// not well-formed is as if it were not there: no pixel depends on it.
enum EXIFBlock {
    private static let orientationTag = 0x0112
    private static let short = 3
    private static let long = 4
    private static let entrySize = 12
    /// What JPEG, and some programs elsewhere, put before the TIFF header.
    private static let prefix = Array("Exif\0\0".utf8)

    /// Whether a segment APP1 of a JPEG has such a block.
    static func hasPrefix(_ bytes: RawSpan) -> Bool {
        (try? bytes.copyBytes(0..<min(prefix.count, bytes.byteCount))) == prefix
    }

    /// The orientation that a block states, in the first list of tags; upright without a legible one.
    static func orientation(in block: RawSpan) -> ImageOrientation {
        let start = hasPrefix(block) ? prefix.count : 0
        let isLittleEndian: Bool
        switch try? block.copyBytes(start..<min(start + 4, block.byteCount)) {
        case [0x49, 0x49, 42, 0]: isLittleEndian = true
        case [0x4D, 0x4D, 0, 42]: isLittleEndian = false
        default: return .upright
        }
        func number(at place: Int, byteCount: Int) -> Int? {
            guard place >= 0, place <= block.byteCount - start - byteCount,
                let bytes = try? block.copyBytes(start + place..<start + place + byteCount)
            else { return nil }
            return (isLittleEndian ? bytes.reversed() : bytes).reduce(0) { $0 << 8 | Int($1) }
        }
        guard let list = number(at: 4, byteCount: 4), let count = number(at: list, byteCount: 2) else {
            return .upright
        }
        for entry in 0..<count {
            let place = list + 2 + entry * entrySize
            guard let tag = number(at: place, byteCount: 2) else { return .upright }
            guard tag == orientationTag else { continue }
            let type = number(at: place + 2, byteCount: 2)
            guard [short, long].contains(type), number(at: place + 4, byteCount: 4) == 1,
                let value = number(at: place + 8, byteCount: type == short ? 2 : 4)
            else { return .upright }
            return ImageOrientation(rawValue: value) ?? .upright
        }
        return .upright
    }
}
