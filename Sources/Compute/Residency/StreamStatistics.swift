/// The cost of reading streamed weights.
public struct StreamStatistics: Sendable, Hashable {
    /// The number of bytes read from the file.
    public internal(set) var readByteCount: UInt64
    /// The time that computing threads waited for weights, added over the threads.
    public internal(set) var stallTime: Duration

    /// Creates statistics of nothing.
    public init(readByteCount: UInt64 = 0, stallTime: Duration = .zero) {
        self.readByteCount = readByteCount
        self.stallTime = stallTime
    }

    /// The cost between two moments.
    public static func - (later: StreamStatistics, earlier: StreamStatistics) -> StreamStatistics {
        StreamStatistics(
            readByteCount: later.readByteCount - earlier.readByteCount,
            stallTime: later.stallTime - earlier.stallTime)
    }
}
