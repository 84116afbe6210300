#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A value that threads change and wait for.
public final class Gate<Value: Sendable>: @unchecked Sendable {
    // `value` is guarded by `lock`.
    private var value: Value
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    /// Creates a gate around a value.
    public init(_ value: Value) {
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

    /// Changes the value and wakes those who wait; returns what `body` returns.
    @discardableResult
    public func change<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return try body(&value)
    }

    /// Waits until the value satisfies `condition`, then returns what `body` makes of it.
    public func wait<Result>(
        until condition: (Value) -> Bool, then body: (inout Value) throws -> Result
    ) rethrows -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while !condition(value) { pthread_cond_wait(changed, lock) }
        return try body(&value)
    }

    /// Waits until the value satisfies `condition` and returns it.
    public func wait(until condition: (Value) -> Bool) -> Value { wait(until: condition) { $0 } }
}
