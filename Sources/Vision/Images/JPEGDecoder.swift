import CImageDecoders
import Storage

/// Decodes baseline, extended and progressive JPEG (ITU-T T.81) with 8 bits per sample, with libjpeg-turbo's accurate
/// integer transform and smooth chroma upsampling.
enum JPEGDecoder: ImageDecoder {
    private static let library = CImageDecoder(
        format: .jpeg, emptyHeader: pvit_jpeg_header(), open: { pvit_jpeg_open($0, $1) },
        readHeader: { pvit_jpeg_read_header($0, $1) }, message: { pvit_jpeg_message($0) },
        close: { pvit_jpeg_close($0) })

    static func header(of bytes: RawSpan, passed: (Int) -> Void) throws -> ImageHeader {
        let orientation = JPEGSegments.orientation(in: bytes)
        return try open(bytes) { _, header in
            let isWhole = header.coefficient_bytes > 0
            return ImageHeader(
                size: PixelSize(width: Int(header.width), height: Int(header.height)), orientation: orientation,
                decodingByteCount: isWhole ? Int(clamping: header.coefficient_bytes) + bytes.byteCount : 0,
                kind: isWhole ? "a progressive JPEG" : "a JPEG")
        }
    }

    /// Decodes a whole file. Bytes after the image are ignored.
    static func decode(_ bytes: RawSpan, passed: (Int) -> Void, row: (Span<UInt8>) throws -> Void) throws {
        try open(bytes) { jpeg, header in
            try library.check(pvit_jpeg_start(jpeg), jpeg)
            let width = Int(header.width)
            var samples = [UInt8](repeating: 0, count: width * 3)
            var inks = [UInt8](repeating: 0, count: header.channels == 4 ? width * 4 : 0)
            for _ in 0..<header.height {
                if header.channels == 4 {
                    try library.check(pvit_jpeg_read_row(jpeg, &inks), jpeg)
                    convert(inks, to: &samples)
                } else {
                    try library.check(pvit_jpeg_read_row(jpeg, &samples), jpeg)
                }
                try row(samples.span)
                passed(pvit_jpeg_position(jpeg))
            }
            try library.check(pvit_jpeg_finish(jpeg), jpeg)
        }
    }

    /// Reads up to the first scan.
    private static func open<Result>(
        _ bytes: RawSpan, _ body: (OpaquePointer, pvit_jpeg_header) throws -> Result
    ) throws -> Result {
        try library.read(bytes) { jpeg, header in
            guard [1, 3, 4].contains(header.channels) else {
                throw PVITError.damagedImage(.jpeg, "it has \(header.channels) channels, not 1, 3 or 4")
            }
            return try body(jpeg, header)
        }
    }

    /// Converts cyan, magenta, yellow and key, which Adobe stores inverted, to RGB as Pillow does: `(1 - ink) (1 -
    /// key)`.
    private static func convert(_ inks: [UInt8], to row: inout [UInt8]) {
        for x in 0..<row.count / 3 {
            let light = Int(inks[4 * x + 3])
            for channel in 0..<3 {
                let product = (255 - Int(inks[4 * x + channel])) * light + 128
                row[3 * x + channel] = UInt8(clamping: light - (product >> 8 + product) >> 8)
            }
        }
    }
}
