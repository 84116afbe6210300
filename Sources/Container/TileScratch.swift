import Storage
import Synchronization
import Tensors

/// The memory in which one thread decodes one tile at a time: at most two decoded tiles, and a zstd context.
///
/// Using a scratch for two tiles at once throws an error; it is not a data race.
package final class TileScratch: Sendable {
    private let isInUse = Atomic<Bool>(false)
    // Only touched by the thread that has set `isInUse`.
    private let memory: Memory

    /// Creates a scratch. It allocates memory when tiles need it.
    package init() { memory = Memory() }

    /// Decodes a tile and lends the result to `body`.
    func withDecoded<Result: ~Copyable>(
        _ stored: RawSpan, codec: TileCodec, encoding: TensorEncoding, byteCount: Int,
        _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard !isInUse.exchange(true, ordering: .acquiring) else {
            throw PVITError(.internalDefect, "a tile scratch is used for two tiles at once")
        }
        defer { isInUse.store(false, ordering: .releasing) }
        return try memory.withDecoded(stored, codec: codec, encoding: encoding, byteCount: byteCount, body)
    }

    // @unchecked Sendable because `isInUse` guarantees exclusive access.
    private final class Memory: @unchecked Sendable {
        private var decoder: ZstandardDecoder?
        private var tile = AlignedBytes()
        private var planes: [AlignedBytes] = []

        func withDecoded<Result: ~Copyable>(
            _ stored: RawSpan, codec: TileCodec, encoding: TensorEncoding, byteCount: Int,
            _ body: (RawSpan) throws -> Result
        ) throws -> Result {
            guard byteCount <= ContainerFormat.maximumTileByteCount else {
                throw PVITError(.containerLimit, "a tile of \(byteCount) bytes is too large")
            }
            switch codec {
            case .stored: return try body(stored)
            case .unchanged, .difference: throw PVITError(.internalDefect, "a tile was decoded without its base")
            case .zstd:
                tile.grow(to: byteCount)
                try tile.withMutableBytes(byteCount) { try decodeFrame(stored, into: &$0) }
            case .zstdPlanes:
                guard let width = encoding.planeCount else {
                    throw PVITError(.internalDefect, "\(encoding) has no byte planes")
                }
                try decodePlanes(stored, width: width, byteCount: byteCount)
            }
            return try tile.withBytes(byteCount, body)
        }

        private func decodeFrame(_ frame: RawSpan, into destination: inout MutableRawSpan) throws {
            if decoder == nil { decoder = try ZstandardDecoder() }
            try decoder?.decode(frame, into: &destination)
        }

        private func decodePlanes(_ stored: RawSpan, width: Int, byteCount: Int) throws {
            let ranges = try BytePlanes.ranges(in: stored, width: width, byteCount: byteCount)
            let count = byteCount / width
            tile.grow(to: byteCount)
            while planes.count < width { planes.append(AlignedBytes()) }
            for (number, range) in ranges.enumerated() where range.count < count {
                planes[number].grow(to: count)
                try planes[number].withMutableBytes(count) { try decodeFrame(stored.extracting(range), into: &$0) }
            }
            // Raw planes are used in place.
            func withPlane(_ number: Int, _ body: (RawSpan) -> Void) {
                let isRaw = ranges[number].count == count
                if isRaw { body(stored.extracting(ranges[number])) } else { planes[number].withBytes(count, body) }
            }
            tile.withMutableBytes(byteCount) { elements in
                guard width == 2 else {
                    for number in 0..<width {
                        withPlane(number) { BytePlanes.scatter($0, number: number, width: width, into: &elements) }
                    }
                    return
                }
                withPlane(0) { low in withPlane(1) { high in BytePlanes.join(low, high, into: &elements) } }
            }
        }
    }
}

/// A growing buffer that is aligned to 64 bytes.
private struct AlignedBytes {
    private var storage: [UInt8] = []
    private var start = 0

    /// Makes room for `byteCount` bytes. The old content is lost.
    mutating func grow(to byteCount: Int) {
        guard byteCount > storage.count - 64 else { return }
        storage = [UInt8](repeating: 0, count: byteCount + 64)
        start = storage.withUnsafeBytes { (64 - Int(bitPattern: $0.baseAddress) & 63) & 63 }
    }

    /// Lends the first `byteCount` bytes.
    func withBytes<Result: ~Copyable>(_ byteCount: Int, _ body: (RawSpan) throws -> Result) rethrows -> Result {
        try body(storage.span.bytes.extracting(start..<start + byteCount))
    }

    /// Lends the first `byteCount` bytes for writing.
    mutating func withMutableBytes(_ byteCount: Int, _ body: (inout MutableRawSpan) throws -> Void) rethrows {
        let range = start..<start + byteCount
        var span = storage.mutableSpan
        var bytes = span.mutableBytes
        var slice = bytes._mutatingExtracting(range)
        try body(&slice)
    }
}
