/// The format of an image file, by its first bytes. File names are ignored because they are often wrong.
enum ImageFormat: String, CaseIterable, CustomStringConvertible {
    case jpeg = "JPEG"
    case png = "PNG"
    case webp = "WebP"
    case gif = "GIF"
    case bmp = "BMP"
    case tiff = "TIFF"
    case avif = "AVIF"
    case heif = "HEIF"
    case jpegXL = "JPEG XL"
    case jpeg2000 = "JPEG 2000"
    case icon = "ICO"
    case photoshop = "Photoshop"
    case portableAnymap = "PNM"
    case pdf = "PDF"

    /// The name in messages.
    var description: String { rawValue }

    /// The number of bytes that identify a format.
    static let signatureByteCount = 12

    /// Recognises the first bytes of a file; nil for other formats.
    init?(firstBytes head: [UInt8]) {
        func has(_ text: String, at offset: Int = 0) -> Bool { head.dropFirst(offset).starts(with: text.utf8) }
        func has(_ bytes: [UInt8]) -> Bool { head.starts(with: bytes) }
        if has([0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if has([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if has("RIFF"), has("WEBP", at: 8) {
            self = .webp
        } else if has("GIF87a") || has("GIF89a") {
            self = .gif
        } else if has("BM") {
            self = .bmp
        } else if has("II*\0") || has("MM\0*") || has("II+\0") || has("MM\0+") {
            self = .tiff
        } else if has("ftyp", at: 4), has("avif", at: 8) || has("avis", at: 8) {
            self = .avif
        } else if has("ftyp", at: 4),
            ["heic", "heix", "hevc", "heim", "mif1", "msf1"].contains(where: { has($0, at: 8) })
        {
            self = .heif
        } else if has([0xFF, 0x0A]) || has([0, 0, 0, 12, 0x4A, 0x58, 0x4C, 0x20]) {
            self = .jpegXL
        } else if has([0xFF, 0x4F, 0xFF, 0x51]) || has([0, 0, 0, 12, 0x6A, 0x50, 0x20, 0x20]) {
            self = .jpeg2000
        } else if has([0, 0, 1, 0]) {
            self = .icon
        } else if has("8BPS") {
            self = .photoshop
        } else if head.count > 2, has("P"), (0x31...0x37).contains(head[1]), [0x09, 0x0A, 0x0D, 0x20].contains(head[2])
        {
            self = .portableAnymap
        } else if has("%PDF") {
            self = .pdf
        } else {
            return nil
        }
    }
}
