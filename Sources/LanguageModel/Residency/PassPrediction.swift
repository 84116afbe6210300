import Architectures
import Compute
import Container
import Platform
import Storage

/// How long a pass over the layers takes when weights are streamed for each.
///
/// Streaming and computing overlap, so a pass takes as long as the slower of the two. Computing takes at least as
/// long as reading every byte of the weights from memory; decoding compressed weights takes the same processors.
package struct PassPrediction: Sendable, Hashable {
    /// What takes longest.
    package enum Limit: String, Sendable, Hashable {
        /// Reading from the disk, and decoding what arrives.
        case disk
        /// Computing, and decoding beside it.
        case memory
    }

    /// The time of a pass over one token, in seconds.
    package let seconds: Double
    /// What decides about it.
    package let limit: Limit
    /// How fast weights arrive from the disk.
    package let reading: ReadingSpeed
    /// How fast the threads read memory.
    package let memoryBytesPerSecond: Double

    /// The tokens per second, if each pass makes one.
    package var tokensPerSecond: Double { 1 / seconds }

    /// Predicts the time of a pass.
    ///
    /// - Parameters:
    ///   - streamedByteCount: The bytes of the file that are read for each pass.
    ///   - weightByteCount: The bytes of all weights of a pass.
    ///   - reading: How fast they arrive.
    ///   - memoryBytesPerSecond: How fast the threads read memory.
    /// - Throws: `memory.speed` if a number is negative or not finite, or a speed is 0.
    package init(
        streamedByteCount: Int, weightByteCount: Int, reading: ReadingSpeed, memoryBytesPerSecond: Double,
        threadCount: Int
    ) throws {
        guard streamedByteCount >= 0, weightByteCount > 0, threadCount > 0,
            [reading.bytesPerSecond, memoryBytesPerSecond].allSatisfy({ $0 > 0 && $0.isFinite }),
            reading.decodingSecondsPerByte >= 0, reading.decodingSecondsPerByte.isFinite
        else {
            throw PVITError(
                .memorySpeed,
                "\(weightByteCount) bytes of weights, of which \(streamedByteCount) are streamed, cannot be read at "
                    + "\(reading.bytesPerSecond) and \(memoryBytesPerSecond) bytes per second")
        }
        let streamed = Double(streamedByteCount)
        let arrival = streamed / reading.bytesPerSecond
        let computation =
            Double(weightByteCount) / memoryBytesPerSecond
            + streamed * reading.decodingSecondsPerByte / Double(threadCount)
        seconds = max(arrival, computation)
        limit = arrival >= computation ? .disk : .memory
        self.reading = reading
        self.memoryBytesPerSecond = memoryBytesPerSecond
    }

    /// Measures the disk and the memory, which takes about a second, and predicts a pass of a model.
    ///
    /// - Returns: nil if no weights are streamed, or if the file system cannot read past the page cache.
    /// - Throws: What reading and computing throw.
    package init?(
        measuring weights: MemoryPlan.Residency, of configuration: LlamaConfiguration, in container: Container,
        engine: ComputeEngine, within budget: ByteCount?
    ) throws {
        guard case .streamed(let stream) = weights,
            let reading = try weights.measureReadingSpeed(of: configuration, in: container)
        else { return nil }
        let probe = MachineProbe(engine: engine, budget: budget)
        _ = try probe.read()
        // The fastest of some runs: a speed that was reached once is possible.
        let speeds = try (0..<3).map { _ in
            let start = MonotonicTime.now
            return try probe.read() / ((MonotonicTime.now - start) / .seconds(1))
        }
        try self.init(
            streamedByteCount: stream.streamedByteCount,
            weightByteCount: stream.pinnedByteCount + stream.streamedByteCount, reading: reading,
            memoryBytesPerSecond: speeds.max() ?? 0, threadCount: engine.threadCount)
    }
}

extension PVITError.Code {
    /// A pass cannot be predicted from such speeds.
    package static let memorySpeed = Self("memory.speed", .usage)
}
