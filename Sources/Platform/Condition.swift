#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A value under a lock, whose changes threads can wait for. What no thread waits for is changed by `withLock`.
package final class Condition<Value>: Lock<Value>, @unchecked Sendable {
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    /// Creates a condition with an initial value.
    package override init(_ value: Value) {
        changed = .allocate(capacity: 1)
        pthread_cond_init(changed, nil)
        super.init(value)
    }

    deinit {
        pthread_cond_destroy(changed)
        changed.deallocate()
    }

    /// Changes the value and wakes all waiting threads. Returns what `body` returns.
    @discardableResult
    package func change<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try withLock { value in
            defer { wakeAll() }
            return try body(&value)
        }
    }

    /// Wakes all waiting threads after `withLock` changed what they wait for.
    package func wakeAll() { pthread_cond_broadcast(changed) }

    /// Waits until the value satisfies `condition`, at most for a time. Returns whether it does.
    @discardableResult
    package func wait(upTo limit: Duration, until condition: (Value) -> Bool) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        let nanoseconds = end.tv_nsec + Int(limit.components.attoseconds / 1_000_000_000)
        end.tv_sec += Int(limit.components.seconds) + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !condition(value) {
            guard pthread_cond_timedwait(changed, mutex, &end) == 0 else { return condition(value) }
        }
        return true
    }

    /// Waits until the value satisfies `condition`, then returns the result of `body`.
    package func wait<Result>(
        until condition: (Value) -> Bool, then body: (inout Value) throws -> Result
    ) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !condition(value) { pthread_cond_wait(changed, mutex) }
        return try body(&value)
    }

    /// Waits until `ask` returns an answer. It is called again after every change.
    package func wait<Answer>(for ask: (Value) throws -> Answer?) rethrows -> Answer {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let answer = try ask(value) { return answer }
            pthread_cond_wait(changed, mutex)
        }
    }

    /// Waits until the value satisfies `condition` and returns the value.
    @discardableResult
    package func wait(until condition: (Value) -> Bool) -> Value { wait(until: condition) { $0 } }
}
