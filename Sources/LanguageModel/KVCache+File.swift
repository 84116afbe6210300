import CKernels
import Compute
import Container
import Storage

/// Keys and values in a file (`formats/session.md`): for each layer a part for the keys of each head, and then one for
/// the values of each head. A part has the rows of the cache in whole groups, and their XXH3.
extension KVCache {
    /// The number of layers, the number of key/value heads, and the width of a head.
    package var sizes: (layerCount: Int, headCount: Int, headWidth: Int) {
        (rows.layerCount, rows.headCount, rows.headWidth)
    }

    /// The size of `count` positions in a file, in bytes. nil if it is too large for a file.
    package func fileByteCount(positions count: Int) -> Int? {
        guard (0...Self.largestCapacity).contains(count) else { return nil }
        let partCount = 2 * rows.layerCount * rows.headCount
        let (bytes, overflow) = partCount.multipliedReportingOverflow(by: partByteCount(count))
        return overflow ? nil : bytes
    }

    /// Appends all positions to a file.
    ///
    /// - Parameter engine: Fills the rest of the last group, so that the bytes depend on nothing but the positions.
    /// - Throws: `file.write-failed`.
    package func append(to file: inout OutputFile, _ engine: ComputeEngine) throws {
        fillLastGroup(engine)
        let byteCount = KVRows.wholeGroups(count) * rows.rowBytes
        for start in parts {
            let bytes = UnsafeRawBufferPointer(start: start, count: byteCount).bytes
            try file.append(bytes)
            var checksum: [UInt8] = []
            checksum.appendLittleEndian(xxh3(bytes))
            try file.append(checksum)
        }
    }

    /// Makes the first positions of a file the content of the cache: as many as there is room for. All parts of the
    /// file are checked.
    ///
    /// - Parameters:
    ///   - count: The number of positions in the file.
    ///   - offset: Where keys and values begin in the file.
    ///   - damaged: Makes the error for bytes that do not match their checksum.
    /// - Throws: What `damaged` makes; `file.truncated` and `file.read-failed`. The cache is then empty.
    package mutating func read(
        positions count: Int, from file: borrowing MappedFile, at offset: Int, damaged: (Range<Int>) -> PVITError
    ) throws {
        truncate(to: 0)
        let kept = min(count, capacity)
        let (stored, copied) = (partByteCount(count), KVRows.wholeGroups(kept) * rows.rowBytes)
        for (index, start) in parts.enumerated() {
            let range = offset + index * stored..<offset + (index + 1) * stored
            try file.withBytes(range) { part in
                let content = part.extracting(0..<stored - Self.checksumByteCount)
                guard try part.littleEndian(at: content.byteCount) == xxh3(content) else { throw damaged(range) }
                content.withUnsafeBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    start.copyMemory(from: base, byteCount: min(copied, bytes.count))
                }
            }
            file.advise(.dontNeed, range)
        }
        append(kept)
    }

    private static let checksumByteCount = 8

    private func partByteCount(_ count: Int) -> Int {
        KVRows.wholeGroups(count) * rows.rowBytes + Self.checksumByteCount
    }

    /// The start of each part, in the order of the file.
    private var parts: [UnsafeMutableRawPointer] {
        let (rows, heads) = (self.rows, 0..<self.rows.headCount)
        return (0..<rows.layerCount).flatMap { layer in
            heads.map { rows.keys(layer: layer, head: $0) } + heads.map { rows.values(layer: layer, head: $0) }
        }
    }

    /// Writes zeros to the positions after the last one, up to the end of its group.
    private func fillLastGroup(_ engine: ComputeEngine) {
        let zeros = [Float](repeating: 0, count: rows.headWidth)
        let (width, storage, kernels) = (rows.headWidth, rows.storage.code, engine.kernels)
        for layer in 0..<rows.layerCount {
            for head in 0..<rows.headCount {
                for position in count..<KVRows.wholeGroups(count) {
                    kernels.store_key(zeros, width, storage, rows.keys(layer: layer, head: head), position)
                    kernels.store_value(zeros, width, storage, rows.values(layer: layer, head: head), position)
                }
            }
        }
    }
}
