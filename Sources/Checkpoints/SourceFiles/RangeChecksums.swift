import Storage

/// Checks ranges of a file against their CRC-32s while the file is read from beginning to end.
struct RangeChecksums {
    /// Disjoint ranges in the order of their bytes.
    private let ranges: [ChecksummedRange]
    /// The number of ranges that are complete.
    private var completeCount = 0
    private var current = CRC32()
    private var position = 0

    init(_ ranges: [ChecksummedRange]) { self.ranges = ranges }

    /// Takes in the next bytes of the file.
    ///
    /// - Throws: `torch.checksum` naming the tensor and the range.
    mutating func update(_ bytes: RawSpan) throws {
        let chunk = position..<position + bytes.byteCount
        position = chunk.upperBound
        while completeCount < ranges.count {
            let range = ranges[completeCount]
            let shared = range.bytes.clamped(to: chunk)
            if !shared.isEmpty {
                let start = shared.lowerBound - chunk.lowerBound
                current.update(bytes.extracting(start..<start + shared.count))
            }
            guard range.bytes.upperBound <= chunk.upperBound else { return }
            try range.check(current)
            completeCount += 1
            current = CRC32()
        }
    }

    /// Checks that the file did not end before the last range.
    ///
    /// - Throws: `torch.checksum`.
    func finish() throws {
        guard completeCount < ranges.count else { return }
        let range = ranges[completeCount]
        throw range.error("the bytes of \(range.name) are missing: the file was truncated while it was read")
    }
}
