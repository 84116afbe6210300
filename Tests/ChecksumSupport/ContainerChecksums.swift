import Container

/// The checksums of a damaged `.pvq` file.
public enum ContainerChecksums {
    /// Computes every checksum anew that can still be found, so that readers get past it.
    ///
    /// - Parameter includingFileSize: Whether the size of the file in the footer is corrected as well.
    public static func mend(_ data: inout [UInt8], includingFileSize: Bool) {
        guard data.count > 192 else { return }
        let footer = data.count - 128
        if includingFileSize { put(UInt64(data.count), into: &data, at: footer + 24, width: 8) }
        let index = range(
            number(data, at: footer + 56, width: 8), number(data, at: footer + 64, width: 8), within: footer)
        if let index {
            mendTiles(&data, index: index)
            put(xxh3(data.span.bytes.extracting(index)), into: &data, at: footer + 72, width: 8)
        }
        let metadata = range(
            number(data, at: footer + 32, width: 8), number(data, at: footer + 40, width: 4), within: footer)
        if let metadata { put(xxh3(data.span.bytes.extracting(metadata)), into: &data, at: footer + 48, width: 8) }
        put(xxh3(data.span.bytes.extracting(0..<56)), into: &data, at: 56, width: 8)
        put(xxh3(data.span.bytes.extracting(footer..<footer + 112)), into: &data, at: footer + 112, width: 8)
    }

    private static func mendTiles(_ data: inout [UInt8], index: Range<Int>) {
        guard index.count >= 64 else { return }
        let tensors = Int(number(data, at: index.lowerBound, width: 4))
        let tiles = Int(number(data, at: index.lowerBound + 4, width: 4))
        for tile in 0..<min(tiles, 100) {
            let record = index.lowerBound + 64 + 192 * tensors + 32 * tile
            guard record + 32 <= index.upperBound else { return }
            let stored = range(
                number(data, at: record, width: 8), number(data, at: record + 8, width: 4), within: data.count)
            if let stored { put(xxh3(data.span.bytes.extracting(stored)), into: &data, at: record + 24, width: 8) }
        }
    }

    /// `size` bytes from `start`, or nil if they exceed `limit`.
    public static func range(_ start: UInt64, _ size: UInt64, within limit: Int) -> Range<Int>? {
        guard start <= UInt64(limit), size <= UInt64(limit) - start else { return nil }
        return Int(start)..<Int(start + size)
    }

    /// The little-endian number of `width` bytes at `offset`.
    public static func number(_ data: [UInt8], at offset: Int, width: Int) -> UInt64 {
        (0..<width).reduce(0) { $0 | UInt64(data[offset + $1]) << UInt64(8 * $1) }
    }

    /// Writes a little-endian number of `width` bytes at `offset`.
    public static func put(_ value: UInt64, into data: inout [UInt8], at offset: Int, width: Int) {
        for byte in 0..<width { data[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
}
