#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A time of the clock that only goes forward, also while the machine is suspended.
///
/// It takes the place of `ContinuousClock`, which belongs to Swift's concurrency: with Dispatch, that would make a
/// program with a static runtime 1 MB larger.
package struct MonotonicTime: Sendable {
    /// The time since the machine started.
    private let sinceStart: Duration

    /// The present time.
    package static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return MonotonicTime(sinceStart: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
    }

    /// Nanoseconds of a clock that only goes forward.
    package static var nanoseconds: Int64 { nanoseconds(of: CLOCK_MONOTONIC) }

    /// Nanoseconds of a clock that advances every few milliseconds only, but is read within a few nanoseconds.
    package static var coarseNanoseconds: Int64 {
        #if os(Linux)
            nanoseconds(of: CLOCK_MONOTONIC_COARSE)
        #else
            nanoseconds
        #endif
    }

    private static func nanoseconds(of clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The time that passed between two times.
    package static func - (later: MonotonicTime, earlier: MonotonicTime) -> Duration {
        later.sinceStart - earlier.sinceStart
    }
}
