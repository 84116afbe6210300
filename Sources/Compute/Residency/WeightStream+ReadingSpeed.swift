import Container
import Parallelism
import Platform
import Storage

extension WeightStream {
    /// The most that is read to measure, and the time after which no further chunk is read.
    private static let largestSample = 1 << 30
    private static let longestSample = Duration.milliseconds(500)
    /// Chunks that follow one another in a sample, as they do in a pass.
    private static let runLength = 4
    /// A sample takes every run of this many, then the next of them, so that it is spread over the file however soon it
    /// ends.
    private static let runDistance = 8

    /// Measures how fast the chunks that do not stay in memory arrive: in the same requests and on as many threads
    /// as in a pass, while nothing is computed. Takes half a second, and memory for a chunk of each reader.
    ///
    /// - Parameter isPinned: Which chunks stay in memory.
    /// - Returns: nil if no chunk is streamed, or if the file system cannot read past the page cache, whose speed would
    ///   be measured instead.
    /// - Throws: `file.unreadable`, `file.read-failed`, `memory.exhausted`, the errors of compressed tiles.
    package static func measureReadingSpeed(
        of chunks: WeightChunks, in container: Container, isPinned: [Bool]
    ) throws -> ReadingSpeed? {
        let streamed = zip(chunks.chunks, isPinned).filter { !$1 }.map(\.0)
        let file = try container.reopenedForReading()
        guard !streamed.isEmpty, file.isDirect else { return nil }
        let order = sample(of: streamed.count)
        let memory = try PageMemory(hugePagesFor: readerCount * chunks.blocksByteCount)
        let progress = Lock((next: 0, byteCount: 0))
        let start = MonotonicTime.now
        // Chunks of a small model are read again and again.
        let take: @Sendable () -> WeightChunk? = {
            progress.withLock { progress in
                guard progress.byteCount < largestSample, MonotonicTime.now - start < longestSample else {
                    return nil
                }
                let chunk = streamed[order[progress.next % order.count]]
                progress.next += 1
                progress.byteCount += chunk.blocks.count
                return chunk
            }
        }
        let readers = try (0..<readerCount).map { reader in
            let room = reader * chunks.blocksByteCount..<(reader + 1) * chunks.blocksByteCount
            // A reader keeps its memory, also if the next one cannot be started and nobody waits for it.
            return try BackgroundThread.start { try read(take, of: file, in: container, into: memory.bytes(room)) }
        }
        let times = try readers.map { Result(catching: $0.join) }.map { try $0.get() }
        let time = (MonotonicTime.now - start) / .seconds(1)
        let byteCount = progress.withLock(\.byteCount)
        let decoding = times.reduce(.zero, +) / .seconds(1)
        let speed = Double(byteCount) / time
        return ReadingSpeed(
            bytesPerSecond: speed, diskBytesPerSecond: speed / max(1 - decoding / time / Double(readerCount), 0.01),
            decodingSecondsPerByte: decoding / Double(byteCount), sampleByteCount: byteCount)
    }

    /// The order in which `count` chunks are read.
    private static func sample(of count: Int) -> [Int] {
        let distance = runLength * runDistance
        return (0..<runDistance).flatMap { first in
            stride(from: first * runLength, to: count, by: distance).flatMap { $0..<min($0 + runLength, count) }
        }
    }

    /// Reads and decodes the chunks that `take` gives. Returns the time that decoding took.
    private static func read(
        _ take: () -> WeightChunk?, of file: DirectFile, in container: Container,
        into memory: UnsafeMutableRawBufferPointer
    ) throws -> Duration {
        let scratch = TileScratch()
        var decoding = Duration.zero
        while let chunk = take() {
            try file.read(chunk.storedRange, into: memory)
            let start = MonotonicTime.now
            var isCompressed = false
            for tile in chunk.tiles where tile.codec != .stored {
                isCompressed = true
                let stored = UnsafeRawBufferPointer(rebasing: memory[range(of: tile, in: chunk, from: 0)]).bytes
                try container.withTile(tile, of: chunk.tensor, stored: stored, scratch: scratch) { _ in }
            }
            if isCompressed { decoding += MonotonicTime.now - start }
        }
        return decoding
    }
}
