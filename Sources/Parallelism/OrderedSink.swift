import Platform

/// Takes numbered results from several threads and consumes them in order.
///
/// The thread that submits the result that is due consumes it and all that wait behind it; there is no thread for that
/// alone. A thread that is too far ahead waits, which bounds the results in memory.
///
/// The work for results must be begun in order. Then the thread with the result that is due never waits.
package final class OrderedSink<Element: Sendable>: @unchecked Sendable {
    private struct State {
        var waiting: [Int: Element] = [:]
        var due = 0
        var isConsuming = false
        var failure: (any Error)?
    }

    private let state = Condition(State())
    private let window: Int
    // Only called by the thread that has set `isConsuming`, hence @unchecked Sendable.
    private let consume: (Element) throws -> Void

    /// Creates a sink that waits for result 0.
    ///
    /// - Parameters:
    ///   - window: How many results, counted from the one that is due, may be in memory.
    ///   - consume: Called with the results in order, by one thread at a time.
    package init(window: Int, consume: @escaping (Element) throws -> Void) {
        self.window = max(window, 1)
        self.consume = consume
    }

    /// Submits result `number`.
    ///
    /// - Throws: What `consume` threw, now or before, or what was given to `fail`.
    package func submit(_ number: Int, _ element: Element) throws {
        let window = window
        let isConsumer = try state.wait(until: { number - $0.due < window || $0.failure != nil }) { state in
            if let failure = state.failure { throw failure }
            state.waiting[number] = element
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

    /// Makes every thread that submits or waits fail, because the result that is due will never come.
    package func fail(_ error: any Error) {
        state.change { if $0.failure == nil { $0.failure = error } }
    }

    /// The first failure, if there was one.
    package var failure: (any Error)? { state.change { $0.failure } }

    /// The result that is due, or nil if it has not come: then this thread no longer consumes.
    private func nextDue() throws -> Element? {
        try state.change { state in
            let next = state.waiting.removeValue(forKey: state.due)
            if next == nil || state.failure != nil { state.isConsuming = false }
            if let failure = state.failure { throw failure }
            return next
        }
    }
}
