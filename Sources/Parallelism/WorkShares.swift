import Synchronization

/// The order in which the threads of a loop take its chunks.
package enum LoopOrder: Sendable {
    /// One after the other, whichever thread comes next. For results that are consumed in this order.
    case ascending
    /// Each thread takes neighbouring chunks, so that it continues reading where it was. A thread that is done takes
    /// chunks of the others.
    case neighbours
}

/// The chunks of a loop that no thread has taken yet: for each thread a range of its own.
///
/// The owner of a range takes its first chunk, other threads take its last one. A thread that is not running delays
/// nothing. Threads may try to take chunks at any time, also while the next loop begins.
final class WorkShares: Sendable {
    /// A range is one atomic number: its start in the low half, its end above that, and the highest bit if every thread
    /// has to take the first chunk.
    private let ranges: CacheLines<Atomic<UInt64>>
    private let count: Int
    /// The most chunks that a loop can have.
    static let mostChunks = 0x7FFF_FFFF
    private static let inOrder: UInt64 = 1 << 63

    /// - Parameter count: The number of threads.
    init(count: Int) {
        self.count = count
        ranges = CacheLines(count: count) { Atomic(0) }
    }

    deinit { ranges.deallocate() }

    /// Divides the chunks of a loop, at most `mostChunks`, among the threads. No chunk may be left.
    func fill(_ chunks: Int, order: LoopOrder) {
        switch order {
        case .ascending:
            ranges[0].pointee.store(UInt64(chunks) << 32 | Self.inOrder, ordering: .releasing)
        case .neighbours:
            for owner in 0..<count {
                let (start, end) = (owner * chunks / count, (owner + 1) * chunks / count)
                ranges[owner].pointee.store(UInt64(start) | UInt64(end) << 32, ordering: .releasing)
            }
        }
    }

    /// Takes a chunk for a thread; nil if none is left.
    func take(for thread: Int) -> Int? {
        if let chunk = take(from: thread, asOwner: true) { return chunk }
        for distance in 1..<max(count, 1) {
            if let chunk = take(from: (thread + distance) % count, asOwner: false) { return chunk }
        }
        return nil
    }

    /// Removes all chunks. Returns how many there were.
    func empty() -> Int {
        (0..<count).reduce(0) { sum, owner in
            let (start, end) = Self.unpack(ranges[owner].pointee.exchange(0, ordering: .acquiringAndReleasing))
            return sum + Int(end - start)
        }
    }

    private func take(from owner: Int, asOwner: Bool) -> Int? {
        var found = ranges[owner].pointee.load(ordering: .acquiring)
        while true {
            let (start, end) = Self.unpack(found)
            guard start < end else { return nil }
            let isFirst = asOwner || found & Self.inOrder != 0
            let next = isFirst ? found + 1 : found - 1 << 32
            let result = ranges[owner].pointee.compareExchange(
                expected: found, desired: next, ordering: .acquiringAndReleasing)
            if result.exchanged { return Int(isFirst ? start : end - 1) }
            found = result.original
        }
    }

    private static func unpack(_ range: UInt64) -> (start: UInt64, end: UInt64) {
        (range & 0xFFFF_FFFF, (range & ~inOrder) >> 32)
    }
}
