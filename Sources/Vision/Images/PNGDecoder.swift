import CImageDecoders
import Storage

/// Decodes PNG (ISO/IEC 15948) of every color type and bit depth, interlaced or not.
enum PNGDecoder: ImageDecoder {
    private static let library = CImageDecoder(
        format: .png, emptyHeader: pvit_png_header(), open: { pvit_png_open($0, $1) },
        readHeader: { pvit_png_read_header($0, $1) }, message: { pvit_png_message($0) },
        close: { pvit_png_close($0) })

    static func header(of bytes: RawSpan, passed: (Int) -> Void) throws -> ImageHeader {
        let chunks = PNGChunks(bytes, passed: passed)
        return try library.read(bytes) { _, header in
            let size = PixelSize(width: Int(header.width), height: Int(header.height))
            return ImageHeader(
                size: size, orientation: chunks.orientation,
                decodingByteCount: header.is_interlaced ? size.sampleCount : 0,
                kind: header.is_interlaced ? "an interlaced PNG" : "a PNG")
        }
    }

    /// Decodes a whole file. Damage that Pillow does not notice is ignored: wrong checksums of IDAT chunks, and missing
    /// bytes after the last pixel, unless a chunk's content is truncated.
    static func decode(_ bytes: RawSpan, passed: (Int) -> Void, row: (Span<UInt8>) throws -> Void) throws {
        if let type = PNGChunks(bytes, passed: passed).incompleteType {
            throw PVITError.damagedImage(.png, "The file ends inside the chunk \(type)")
        }
        try library.read(bytes) { png, header in
            var passes: Int32 = 0
            try library.check(pvit_png_start(png, &passes), png)
            let (width, height) = (Int(header.width) * 3, Int(header.height))
            // Each pass of an interlaced image adds pixels to the rows.
            var samples = [UInt8](repeating: 0, count: passes > 1 ? width * height : width)
            for _ in 0..<passes {
                for y in 0..<height {
                    try samples.withUnsafeMutableBufferPointer { samples in
                        let offset = passes > 1 ? y * width : 0
                        try library.check(pvit_png_read_row(png, samples.baseAddress.map { $0 + offset }), png)
                    }
                    if passes == 1 { try row(samples.span) }
                    passed(pvit_png_position(png))
                }
            }
            if passes > 1 { for y in 0..<height { try row(samples.span.extracting(y * width..<(y + 1) * width)) } }
        }
    }
}
