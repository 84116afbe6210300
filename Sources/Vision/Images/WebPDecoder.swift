import CWebP
import Storage

/// Decodes WebP (RFC 9649), lossy and lossless.
enum WebPDecoder: ImageDecoder {
    static func header(of bytes: RawSpan, passed: (Int) -> Void) throws -> ImageHeader {
        try open(bytes) { demuxer, size in
            var chunk = WebPChunkIterator()
            defer { WebPDemuxReleaseChunkIterator(&chunk) }
            var orientation = ImageOrientation.upright
            if WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0 {
                let block = UnsafeRawBufferPointer(start: chunk.chunk.bytes, count: chunk.chunk.size)
                orientation = EXIFBlock.orientation(in: block.bytes)
            }
            return ImageHeader(
                size: size, orientation: orientation,
                decodingByteCount: size.sampleCount + libraryByteCount(demuxer) + bytes.byteCount, kind: "a WebP")
        }
    }

    /// The memory that the library needs for the first frame beside the result, in bytes: four channels of all pixels
    /// for lossless images, and one byte per pixel for transparency, which may be losslessly compressed itself.
    private static func libraryByteCount(_ demuxer: OpaquePointer) -> Int {
        var frame = WebPIterator()
        defer { WebPDemuxReleaseIterator(&frame) }
        var features = WebPBitstreamFeatures()
        guard WebPDemuxGetFrame(demuxer, 1, &frame) != 0,
            WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) == VP8_STATUS_OK
        else { return 0 }
        let isLossless = features.format == 2
        return Int(features.width) * Int(features.height) * (isLossless ? 4 : features.has_alpha != 0 ? 5 : 0)
    }

    /// Decodes a whole file. Of an animation, the first frame is decoded, on a black canvas.
    static func decode(_ bytes: RawSpan, passed: (Int) -> Void, row: (Span<UInt8>) throws -> Void) throws {
        try open(bytes) { demuxer, size in
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
            let image = try PixelImage(size: size) { pixels in
                if columns.count < size.width || rows.count < size.height { pixels.update(repeating: 0) }
                let first = (rows.lowerBound * size.width + columns.lowerBound) * 3
                let target = UnsafeMutableBufferPointer(rebasing: pixels[first...])
                let result = WebPDecodeRGBInto(
                    frame.fragment.bytes, frame.fragment.size, target.baseAddress, target.count, Int32(size.width * 3))
                guard result != nil else { throw PVITError.damagedImage(.webp, "its compressed data is not valid") }
            }
            for y in 0..<size.height {
                try row(image.pixels.span.extracting(y * size.width * 3..<(y + 1) * size.width * 3))
            }
        }
    }

    /// Parses the chunks.
    private static func open<Result>(
        _ bytes: RawSpan, _ body: (OpaquePointer, PixelSize) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBytes { bytes in
            var data = WebPData(bytes: bytes.bindMemory(to: UInt8.self).baseAddress, size: bytes.count)
            guard let demuxer = WebPDemux(&data) else {
                throw PVITError.damagedImage(.webp, "its chunks are incomplete or contradict each other")
            }
            defer { WebPDemuxDelete(demuxer) }
            let size = PixelSize(
                width: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH)),
                height: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT)))
            return try body(demuxer, size)
        }
    }
}
