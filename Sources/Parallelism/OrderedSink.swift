/// Takes the results of numbered pieces of work from several threads and consumes them in order.
///
/// Whichever thread brings the piece that is due consumes it and all that wait behind it, so no thread exists for that
/// alone. A thread that is too far ahead waits, which bounds the results in memory.
///
/// Pieces must be begun in order: then the thread with the piece that is due never waits.
public final class OrderedSink<Piece: Sendable>: @unchecked Sendable {
    private struct State {
        var waiting: [Int: Piece] = [:]
        var due = 0
        var isConsuming = false
        var failure: (any Error)?
    }

    private let state = Condition(State())
    private let window: Int
    // Only called by the thread that has set `isConsuming`, hence @unchecked Sendable.
    private let consume: (Piece) throws -> Void

    /// Creates a sink that waits for piece 0.
    ///
    /// - Parameters:
    ///   - window: How many pieces from the one that is due may be in memory.
    ///   - consume: Called with the pieces in order, by one thread at a time.
    public init(window: Int, consume: @escaping (Piece) throws -> Void) {
        self.window = max(window, 1)
        self.consume = consume
    }

    /// Hands in piece number `number`.
    ///
    /// - Throws: What `consume` threw, now or before, or what was given to `fail`.
    public func submit(_ number: Int, _ piece: Piece) throws {
        let window = window
        let isConsumer = try state.wait(until: { number - $0.due < window || $0.failure != nil }) { state in
            if let failure = state.failure { throw failure }
            state.waiting[number] = piece
            if state.isConsuming { return false }
            state.isConsuming = true
            return true
        }
        guard isConsumer else { return }
        while let next = try nextDue() {
            do {
                try consume(next)
            } catch {
                fail(error)
            }
            state.change { $0.due += 1 }
        }
    }

    /// Lets every thread that submits or waits fail, as the piece that is due will never come.
    public func fail(_ error: any Error) {
        state.change { if $0.failure == nil { $0.failure = error } }
    }

    /// The first failure, if there was one.
    public var failure: (any Error)? { state.change { $0.failure } }

    /// The piece that is due, or nil when it has not come: then this thread no longer consumes.
    private func nextDue() throws -> Piece? {
        try state.change { state in
            let next = state.waiting.removeValue(forKey: state.due)
            if next == nil || state.failure != nil { state.isConsuming = false }
            if let failure = state.failure { throw failure }
            return next
        }
    }
}
