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
/// nothing.
final class WorkShares: @unchecked Sendable {
    // `order` is written while no loop runs. A range is one atomic number: its start in the low half, its end in the
    // high one.
    private let ranges: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int
    private var order = LoopOrder.ascending
    /// The distance between ranges, which puts them on cache lines of their own.
    private static let stride = 16

    /// - Parameter count: The number of threads.
    init(count: Int) {
        self.count = count
        ranges = .allocate(capacity: count * Self.stride)
        for index in 0..<count * Self.stride { (ranges + index).initialize(to: Atomic(0)) }
    }

    deinit {
        ranges.deinitialize(count: count * Self.stride)
        ranges.deallocate()
    }

    /// Divides `chunks` chunks, at most 2³² - 1, among the threads. No thread may take any meanwhile.
    func fill(_ chunks: Int, order: LoopOrder) {
        self.order = order
        for owner in 0..<count {
            let range =
                switch order {
                case .ascending: owner == 0 ? 0..<chunks : 0..<0
                case .neighbours: owner * chunks / count..<(owner + 1) * chunks / count
                }
            let packed = UInt64(range.lowerBound) | UInt64(range.upperBound) << 32
            state(of: owner).pointee.store(packed, ordering: .releasing)
        }
    }

    /// Takes a chunk for a thread; nil if none is left.
    func take(for thread: Int) -> Int? {
        switch order {
        case .ascending: return takeFirst(of: 0)
        case .neighbours:
            if let chunk = takeFirst(of: thread) { return chunk }
            for distance in 1..<max(count, 1) {
                if let chunk = takeLast(of: (thread + distance) % count) { return chunk }
            }
            return nil
        }
    }

    /// Removes all chunks.
    func empty() { for owner in 0..<count { state(of: owner).pointee.store(0, ordering: .releasing) } }

    private func state(of owner: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { ranges + owner * Self.stride }

    private func takeFirst(of owner: Int) -> Int? {
        change(owner) { start, end in start < end ? (start, start + 1, end) : nil }
    }

    private func takeLast(of owner: Int) -> Int? {
        change(owner) { start, end in start < end ? (end - 1, start, end - 1) : nil }
    }

    private func change(
        _ owner: Int, _ decide: (_ start: UInt64, _ end: UInt64) -> (chunk: UInt64, start: UInt64, end: UInt64)?
    ) -> Int? {
        var found = state(of: owner).pointee.load(ordering: .acquiring)
        while let next = decide(found & 0xFFFF_FFFF, found >> 32) {
            let result = state(of: owner).pointee.compareExchange(
                expected: found, desired: next.start | next.end << 32, ordering: .acquiringAndReleasing)
            if result.exchanged { return Int(next.chunk) }
            found = result.original
        }
        return nil
    }
}
