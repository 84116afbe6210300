/// The cost of reading streamed weights.
package struct StreamStatistics: Sendable, Hashable {
    /// The number of bytes read from the file.
    package internal(set) var readByteCount: UInt64
    /// The time that computing threads waited for weights, added over the threads.
    package internal(set) var stallTime: Duration

    /// Creates statistics of nothing.
    package init(readByteCount: UInt64 = 0, stallTime: Duration = .zero) {
        self.readByteCount = readByteCount
        self.stallTime = stallTime
    }

    /// The cost between two moments.
    package static func - (later: StreamStatistics, earlier: StreamStatistics) -> StreamStatistics {
        StreamStatistics(
            readByteCount: later.readByteCount - earlier.readByteCount,
            stallTime: later.stallTime - earlier.stallTime)
    }
}
