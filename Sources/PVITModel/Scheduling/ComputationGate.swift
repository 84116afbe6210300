import Platform
import Synchronization

/// Ends a computation as soon as one of the requests that it serves is cancelled.
///
/// A scheduler computes on one thread while other threads cancel requests. The compute engine calls `check` before each
/// loop that its threads share.
package final class ComputationGate: Sendable {
    /// The error that ends a computation. The scheduler catches it and goes on with the requests that are left.
    struct Interrupted: Error {}

    private struct State {
        /// The requests whose cancellation ends the current computation.
        var computing: Set<Int> = []
        /// The requests that were cancelled and not handled yet.
        var cancelled: Set<Int> = []
    }

    private let state = Lock(State())
    private let isInterrupted = Atomic<Bool>(false)

    /// Creates a gate without a computation.
    package init() {}

    /// Throws if a request of the current computation was cancelled. To be called by the engine that computes.
    package func check() throws {
        if isInterrupted.load(ordering: .relaxed) { throw Interrupted() }
    }

    /// Cancels a request. May be called on any thread.
    package func cancel(_ id: Int) {
        state.withLock { state in
            state.cancelled.insert(id)
            if state.computing.contains(id) { isInterrupted.store(true, ordering: .relaxed) }
        }
    }

    /// Begins a computation for some requests. Returns those of the computation that it interrupts, to be given to
    /// `begin` afterwards.
    @discardableResult
    func begin(_ ids: Set<Int>) -> Set<Int> {
        state.withLock { state in
            let before = state.computing
            state.computing = ids
            isInterrupted.store(!state.cancelled.isDisjoint(with: ids), ordering: .relaxed)
            return before
        }
    }

    /// Returns the cancelled requests and forgets them, except the one given.
    func takeCancelled(except kept: Int?) -> Set<Int> {
        state.withLock { state in
            var taken = state.cancelled
            state.cancelled = []
            if let kept, taken.remove(kept) != nil { state.cancelled = [kept] }
            return taken
        }
    }
}
