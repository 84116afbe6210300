import Storage

/// An EXIF block (CIPA DC-008): a TIFF header and a list of tags. Only the orientation is read. Malformed blocks are
/// ignored, because no pixel depends on them.
enum EXIFBlock {
    private static let orientationTag = 0x0112
    private static let short = 3
    private static let long = 4
    private static let entrySize = 12
    /// The bytes before the TIFF header in JPEG files, and in other files by some programs.
    private static let prefix = Array("Exif\0\0".utf8)

    /// Whether an APP1 segment of a JPEG is an EXIF block.
    static func hasPrefix(_ bytes: RawSpan) -> Bool {
        (try? bytes.copyBytes(0..<min(prefix.count, bytes.byteCount))) == prefix
    }

    /// The orientation in the first list of tags; upright if there is none or it is malformed.
    static func orientation(in block: RawSpan) -> ImageOrientation {
        let start = hasPrefix(block) ? prefix.count : 0
        let isLittleEndian: Bool
        switch try? block.copyBytes(start..<min(start + 4, block.byteCount)) {
        case [0x49, 0x49, 42, 0]: isLittleEndian = true
        case [0x4D, 0x4D, 0, 42]: isLittleEndian = false
        default: return .upright
        }
        func number(at offset: Int, byteCount: Int) -> Int? {
            guard offset >= 0, offset <= block.byteCount - start - byteCount,
                let bytes = try? block.copyBytes(start + offset..<start + offset + byteCount)
            else { return nil }
            return (isLittleEndian ? bytes.reversed() : bytes).reduce(0) { $0 << 8 | Int($1) }
        }
        guard let list = number(at: 4, byteCount: 4), let count = number(at: list, byteCount: 2) else {
            return .upright
        }
        for entry in 0..<count {
            let offset = list + 2 + entry * entrySize
            guard let tag = number(at: offset, byteCount: 2) else { return .upright }
            guard tag == orientationTag else { continue }
            let type = number(at: offset + 2, byteCount: 2)
            guard [short, long].contains(type), number(at: offset + 4, byteCount: 4) == 1,
                let value = number(at: offset + 8, byteCount: type == short ? 2 : 4)
            else { return .upright }
            return ImageOrientation(rawValue: value) ?? .upright
        }
        return .upright
    }
}
