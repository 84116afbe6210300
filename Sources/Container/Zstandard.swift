import CZstd
import Storage

/// libzstd, one frame at a time (RFC 8878).
enum Zstandard {
    /// Compresses into one frame, which states the size of its content and has no checksum.
    ///
    /// - Returns: The frame, or nil if it would take more than `limit` bytes.
    static func compress(_ source: RawSpan, level: Int, limit: Int) throws -> [UInt8]? {
        guard let context = ZSTD_createCCtx() else {
            throw PVITError(.internalDefect, "out of memory for compression")
        }
        defer { ZSTD_freeCCtx(context) }
        let parameters: [(ZSTD_cParameter, Int32)] = [
            (ZSTD_c_compressionLevel, Int32(clamping: level)), (ZSTD_c_contentSizeFlag, 1), (ZSTD_c_checksumFlag, 0),
        ]
        for (parameter, value) in parameters {
            guard ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) == 0 else {
                throw PVITError(.internalDefect, "zstd does not support compression level \(level)")
            }
        }
        var size = 0
        let frame = [UInt8](unsafeUninitializedCapacity: max(limit, 1)) { buffer, count in
            size = source.withUnsafeBytes {
                ZSTD_compress2(context, buffer.baseAddress, limit, $0.baseAddress, $0.count)
            }
            count = ZSTD_isError(size) == 0 ? size : 0
        }
        if ZSTD_isError(size) == 0 { return frame }
        guard ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall else {
            throw PVITError(.internalDefect, "compression failed: \(String(cString: ZSTD_getErrorName(size)))")
        }
        return nil
    }

    /// Throws unless `source` begins with a frame header that states `byteCount` bytes of content, no dictionary, and a
    /// window of at most 8 MiB, which every decoder must support (RFC 8878, section 3.1.1.1.2).
    static func checkHeader(_ source: RawSpan, byteCount: Int) throws {
        let failure = PVITError(.tileContent, "this is not a zstd frame with \(byteCount) bytes of content")
        guard source.byteCount >= 6, try source.littleEndian(at: 0, as: UInt32.self) == 0xFD2F_B528 else {
            throw failure
        }
        let descriptor: UInt8 = try source.littleEndian(at: 4)
        let isSingleSegment = descriptor & 0x20 != 0
        // Reserved bit and dictionary id.
        guard descriptor & 0x0B == 0 else { throw failure }
        var offset = 5
        if !isSingleSegment {
            let window: UInt8 = try source.littleEndian(at: 5)
            let base = UInt64(1) << (10 + UInt64(window >> 3))
            guard base + base / 8 * UInt64(window & 7) <= ContainerFormat.maximumWindowByteCount else { throw failure }
            offset = 6
        }
        let contentByteCount: UInt64
        switch (descriptor >> 6, isSingleSegment) {
        case (0, true): contentByteCount = UInt64(try source.littleEndian(at: offset, as: UInt8.self))
        case (1, _): contentByteCount = UInt64(try source.littleEndian(at: offset, as: UInt16.self)) + 256
        case (2, _): contentByteCount = UInt64(try source.littleEndian(at: offset, as: UInt32.self))
        case (3, _): contentByteCount = try source.littleEndian(at: offset)
        default: throw failure
        }
        guard contentByteCount == UInt64(byteCount) else { throw failure }
    }
}

/// A zstd decoder with its memory, for one thread at a time.
struct ZstandardDecoder: ~Copyable {
    private let context: OpaquePointer

    init() throws {
        guard let context = ZSTD_createDCtx() else {
            throw PVITError(.internalDefect, "out of memory for decompression")
        }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Decodes a frame into `destination`, which its content must fill.
    ///
    /// - Throws: `container.tile-content` if `source` is not exactly one such frame.
    func decode(_ source: RawSpan, into destination: inout MutableRawSpan) throws {
        let byteCount = destination.byteCount
        try Zstandard.checkHeader(source, byteCount: byteCount)
        let size = source.withUnsafeBytes { source -> Int in
            guard ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count else { return -1 }
            return destination.withUnsafeMutableBytes {
                ZSTD_decompressDCtx(context, $0.baseAddress, $0.count, source.baseAddress, source.count)
            }
        }
        guard size == byteCount else {
            throw PVITError(.tileContent, "a zstd frame does not decode to \(byteCount) bytes")
        }
    }
}
