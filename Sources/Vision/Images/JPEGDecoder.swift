import CImageDecoders
import Tensors

/// Baseline, extended and progressive JPEG (ITU-T T.81) with 8 bits a sample: libjpeg-turbo's accurate integer transform
/// and its smooth chroma upsampling.
enum JPEGDecoder {
    /// Decodes a whole file. What follows the image is ignored.
    static func decode(_ bytes: RawSpan) throws -> PixelImage {
        try bytes.withUnsafeBytes { bytes in
            guard let jpeg = pvit_jpeg_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) else {
                throw PVITError(.internalDefect, "there is no memory for decoding a JPEG image")
            }
            defer { pvit_jpeg_close(jpeg) }
            func check(_ isDone: Bool) throws {
                guard isDone else { throw PVITError.damagedImage(.jpeg, String(cString: pvit_jpeg_message(jpeg))) }
            }

            var header = pvit_jpeg_header()
            try check(pvit_jpeg_read_header(jpeg, &header))
            guard [1, 3, 4].contains(header.channels) else {
                throw PVITError.damagedImage(.jpeg, "it has \(header.channels) channels, where 1, 3 or 4 are possible")
            }
            let size = PixelSize(width: Int(header.width), height: Int(header.height))
            return try PixelImage(size: size) { pixels in
                try check(pvit_jpeg_start(jpeg))
                var inks = [UInt8](repeating: 0, count: header.channels == 4 ? size.width * 4 : 0)
                for y in 0..<size.height {
                    let row = UnsafeMutableBufferPointer(
                        rebasing: pixels[y * size.width * 3..<(y + 1) * size.width * 3])
                    if header.channels == 4 {
                        try check(pvit_jpeg_read_row(jpeg, &inks))
                        convert(inks, to: row)
                    } else {
                        try check(pvit_jpeg_read_row(jpeg, row.baseAddress))
                    }
                }
                try check(pvit_jpeg_finish(jpeg))
            }
        }
    }

    /// Cyan, magenta, yellow and key as Adobe stores them, inverted, become RGB as in Pillow: `(1 - ink) (1 - key)`.
    private static func convert(_ inks: [UInt8], to row: UnsafeMutableBufferPointer<UInt8>) {
        for x in 0..<row.count / 3 {
            let light = Int(inks[4 * x + 3])
            for channel in 0..<3 {
                let product = (255 - Int(inks[4 * x + channel])) * light + 128
                row[3 * x + channel] = UInt8(clamping: light - (product >> 8 + product) >> 8)
            }
        }
    }
}
