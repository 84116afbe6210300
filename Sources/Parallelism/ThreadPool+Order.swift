extension ThreadPool {
    /// Computes numbered results on all threads and consumes them in order, one at a time.
    ///
    /// The thread that computes the result that is due consumes it; `consume` has no thread of its own. Results are
    /// begun in order, and a bounded number of finished ones is in memory.
    ///
    /// - Parameters:
    ///   - count: The number of results.
    ///   - resultsPerThread: How many finished results of each thread may wait for the one that is due.
    ///   - produce: Computes a result. It receives the number of the result and the number of the thread.
    ///   - consume: Called with the results in order.
    ///   - onFailure: Called by each thread that stops early, so that threads that wait for one another end, too.
    /// - Throws: The first failure of `produce` or `consume`. Results that no thread has begun are then skipped.
    package func mapInOrder<Element: Sendable>(
        _ count: Int, resultsPerThread: Int = 3, produce: (_ number: Int, _ worker: Int) throws -> Element,
        consume: @escaping (Element) throws -> Void, onFailure: () -> Void = {}
    ) throws {
        let sink = OrderedSink<Element>(window: threadCount * resultsPerThread, consume: consume)
        do {
            try parallelFor(count) { range, worker in
                for number in range {
                    do {
                        try sink.submit(number, produce(number, worker))
                    } catch {
                        sink.fail(error)
                        onFailure()
                        throw error
                    }
                }
            }
        } catch {
            // The other threads were stopped by the first failure and have errors of their own.
            throw sink.failure ?? error
        }
    }
}
