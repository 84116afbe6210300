import CWebP
import Tensors

/// WebP (RFC 9649), lossy and lossless.
enum WebPDecoder {
    /// Decodes a whole file. Of an animation it is the first frame, on black where it does not cover the canvas.
    static func decode(_ bytes: RawSpan) throws -> PixelImage {
        try bytes.withUnsafeBytes { bytes in
            var data = WebPData(bytes: bytes.bindMemory(to: UInt8.self).baseAddress, size: bytes.count)
            guard let demuxer = WebPDemux(&data) else {
                throw PVITError.damagedImage(.webp, "its chunks are incomplete or contradict each other")
            }
            defer { WebPDemuxDelete(demuxer) }
            let size = PixelSize(
                width: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH)),
                height: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT)))
            try size.checkLimits()

            var frame = WebPIterator()
            defer { WebPDemuxReleaseIterator(&frame) }
            guard WebPDemuxGetFrame(demuxer, 1, &frame) != 0, frame.complete != 0 else {
                throw PVITError.damagedImage(.webp, "it has no complete frame")
            }
            let columns = Int(frame.x_offset)..<Int(frame.x_offset) + Int(frame.width)
            let rows = Int(frame.y_offset)..<Int(frame.y_offset) + Int(frame.height)
            var (width, height) = (Int32(0), Int32(0))
            guard WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) != 0,
                width == columns.count, height == rows.count,
                columns.lowerBound >= 0, columns.upperBound <= size.width,
                rows.lowerBound >= 0, rows.upperBound <= size.height
            else {
                throw PVITError.damagedImage(.webp, "its first frame does not fit its canvas")
            }
            return try PixelImage(size: size) { pixels in
                if columns.count < size.width || rows.count < size.height { pixels.update(repeating: 0) }
                let first = (rows.lowerBound * size.width + columns.lowerBound) * 3
                let place = UnsafeMutableBufferPointer(rebasing: pixels[first...])
                let result = WebPDecodeRGBInto(
                    frame.fragment.bytes, frame.fragment.size, place.baseAddress, place.count, Int32(size.width * 3))
                guard result != nil else { throw PVITError.damagedImage(.webp, "its compressed data is not valid") }
            }
        }
    }
}
