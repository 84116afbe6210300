#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

import Tensors

/// A value that several threads change, and whose changes they can wait for.
final class Monitor<Value>: @unchecked Sendable {
    // `value` and `failure` are guarded by `lock`.
    private var value: Value
    private var failure: (any Error)?
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    init(_ value: Value) {
        self.value = value
        lock = .allocate(capacity: 1)
        changed = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    /// Asks the value again after every change until it answers.
    func wait<Answer>(_ ask: (Value) throws -> Answer?) throws -> Answer {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            if let failure { throw failure }
            if let answer = try ask(value) { return answer }
            pthread_cond_wait(changed, lock)
        }
    }

    /// Changes the value. An error ends all waiting.
    func change(_ body: (inout Value) throws -> Void) throws {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        if let failure { throw failure }
        do {
            try body(&value)
        } catch {
            failure = error
            throw error
        }
    }

    /// Ends all waiting with an error, unless one did already.
    func abandon() {
        pthread_mutex_lock(lock)
        failure = failure ?? PVITError(.quantizationAbandoned, "the work was given up")
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(lock)
    }
}
