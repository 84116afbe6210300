import CImageDecoders
import Tensors

/// PNG (ISO/IEC 15948) of every colour type and bit depth, interlaced or not.
enum PNGDecoder {
    /// Decodes a whole file. All checksums must be right.
    static func decode(_ bytes: RawSpan) throws -> PixelImage {
        try bytes.withUnsafeBytes { bytes in
            guard let png = pvit_png_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) else {
                throw PVITError(.internalDefect, "there is no memory for decoding a PNG image")
            }
            defer { pvit_png_close(png) }
            func check(_ isDone: Bool) throws {
                guard isDone else { throw PVITError.damagedImage(.png, String(cString: pvit_png_message(png))) }
            }

            var header = pvit_png_header()
            try check(pvit_png_read_header(png, &header))
            let size = PixelSize(width: Int(header.width), height: Int(header.height))
            return try PixelImage(size: size) { pixels in
                var passes: Int32 = 0
                try check(pvit_png_start(png, &passes))
                for _ in 0..<passes {
                    for y in 0..<size.height {
                        let row = pixels[y * size.width * 3..<(y + 1) * size.width * 3]
                        try check(pvit_png_read_row(png, UnsafeMutableBufferPointer(rebasing: row).baseAddress))
                    }
                }
                try check(pvit_png_finish(png))
            }
        }
    }
}
