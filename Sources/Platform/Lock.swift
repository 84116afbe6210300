#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A value that one thread at a time uses, under a POSIX mutex. The thread sanitizer sees this lock, but not that of
/// `Synchronization.Mutex`.
package class Lock<Value>: @unchecked Sendable {
    // Only touched under `mutex`.
    final var value: Value
    final let mutex: UnsafeMutablePointer<pthread_mutex_t>

    /// Creates a lock with an initial value.
    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Uses or changes the value.
    package final func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
