extension ThreadPool {
    /// Makes numbered pieces on all threads and consumes them in order, one at a time.
    ///
    /// Whichever thread brings the piece that is due consumes it, so the work of `consume` is not a thread of its own.
    /// Pieces are begun in order, and a bounded number of finished ones is in memory.
    ///
    /// - Parameters:
    ///   - count: How many pieces there are.
    ///   - piecesPerThread: How many finished pieces for each thread may wait for the one that is due.
    ///   - produce: Makes a piece; gets its number and the number of the thread.
    ///   - consume: Called with the pieces in order.
    ///   - onFailure: Called by each thread that stops early, so that threads which wait for one another end, too.
    /// - Throws: The first failure of `produce` or `consume`. Pieces that no thread has begun are then skipped.
    public func mapInOrder<Piece: Sendable>(
        _ count: Int, piecesPerThread: Int = 3, produce: (_ number: Int, _ worker: Int) throws -> Piece,
        consume: @escaping (Piece) throws -> Void, onFailure: () -> Void = {}
    ) throws {
        let sink = OrderedSink<Piece>(window: threadCount * piecesPerThread, consume: consume)
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
