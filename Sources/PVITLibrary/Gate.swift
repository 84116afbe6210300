import Platform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Lets one thread at a time in, and can tell whether that is the calling thread.
final class Gate: Sendable {
    private let owner = Condition<pthread_t?>(nil)

    /// Waits until no other thread is inside, and enters.
    ///
    /// - Returns: Whether this call entered; false if this thread is inside already.
    func enter() -> Bool { (try? enter(check: {})) ?? false }

    /// The same, but `check` is called while waiting, and what it throws ends the wait.
    func enter(check: () throws -> Void) throws -> Bool {
        let me = pthread_self()
        while true {
            let isInside: Bool? = owner.withLock { owner in
                if let current = owner { return pthread_equal(current, me) != 0 ? true : nil }
                owner = me
                return false
            }
            if let isInside { return !isInside }
            try check()
            owner.wait(upTo: .milliseconds(10)) { $0 == nil }
        }
    }

    /// Leaves.
    func leave() { owner.change { $0 = nil } }
}
