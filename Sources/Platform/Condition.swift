#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A value under a lock, whose changes threads can wait for: a mutex with a condition variable.
package final class Condition<Value>: @unchecked Sendable {
    // `value` is only touched under `lock`.
    private var value: Value
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    /// Creates a condition with an initial value.
    package init(_ value: Value) {
        self.value = value
        lock = .allocate(capacity: 1)
        changed = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    /// Changes the value and wakes all waiting threads. Returns what `body` returns.
    @discardableResult
    package func change<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return try body(&value)
    }

    /// Uses the value, or changes it in a way that no thread waits for.
    package func use<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value)
    }

    /// Wakes all waiting threads after `use` changed what they wait for.
    package func wakeAll() { pthread_cond_broadcast(changed) }

    /// Waits until the value satisfies `condition`, then returns the result of `body`.
    package func wait<Result>(
        until condition: (Value) -> Bool, then body: (inout Value) throws -> Result
    ) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while !condition(value) { pthread_cond_wait(changed, lock) }
        return try body(&value)
    }

    /// Waits until `ask` returns an answer. It is called again after every change.
    package func wait<Answer>(for ask: (Value) throws -> Answer?) rethrows -> Answer {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            if let answer = try ask(value) { return answer }
            pthread_cond_wait(changed, lock)
        }
    }

    /// Waits until the value satisfies `condition` and returns the value.
    @discardableResult
    package func wait(until condition: (Value) -> Bool) -> Value { wait(until: condition) { $0 } }
}
