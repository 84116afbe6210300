import Platform

/// When and how long a helper stays away because the system suspends it while others wait for it.
///
/// If another process wants the same processor, the system lets the two run in turns of some milliseconds. In short
/// loops all others then wait for the chunk that the suspended helper has, which costs more than it contributes in its
/// turns. So it stays away, and longer each time that this happens again. In long loops the others go on meanwhile.
struct Absence {
    private var length = Self.shortest
    private var preemptions: UInt64
    private var returned: Int64

    private static let shortest: Int64 = 20_000_000
    private static let longest: Int64 = 1_000_000_000

    /// - Parameters:
    ///   - preemptions: How often the system has suspended the thread.
    ///   - now: The present time in nanoseconds.
    init(preemptions: UInt64 = ThreadPreemption.count, now: Int64 = MonotonicTime.nanoseconds) {
        self.preemptions = preemptions
        returned = now
    }

    /// The time to stay away now; nil for a thread that does not disturb.
    ///
    /// - Parameters:
    ///   - waited: How long the caller has waited for this thread, in nanoseconds.
    ///   - undisturbed: The time between that and the previous wait, in nanoseconds.
    ///   - preemptions: How often the system has suspended the thread.
    ///   - now: The present time in nanoseconds.
    mutating func begin(
        waited: Int64, undisturbed: Int64, preemptions count: UInt64 = ThreadPreemption.count,
        now: Int64 = MonotonicTime.nanoseconds
    ) -> Duration? {
        guard count > preemptions else { return nil }
        preemptions = count
        guard waited > undisturbed / 2 else { return nil }
        let isSoon = now - returned < 2 * length
        length = isSoon ? min(2 * length, Self.longest) : Self.shortest
        return .nanoseconds(length)
    }

    /// Notes that the thread is back.
    mutating func end(now: Int64 = MonotonicTime.nanoseconds) { returned = now }
}
