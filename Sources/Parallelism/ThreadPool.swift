import CKernels
import Platform
import Synchronization

/// A fixed set of threads that share loops.
///
/// Threads claim work in chunks, so a thread that the operating system has suspended delays only its current chunk; if
/// that happens often, it stays away for a while. Idle threads spin briefly and then sleep; an idle pool uses no
/// processor time. One loop runs at a time, and a loop must not start another one on the same pool.
package final class ThreadPool: Sendable {
    /// How many threads share a loop, including the calling thread.
    package let threadCount: Int
    private let loop: SharedLoop
    private let helpers: [BackgroundThread<Void>]
    private let checkpoint: @Sendable () throws -> Void

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threadCount: At least 1; with 1, loops run on the calling thread alone. If the system refuses a thread, the
    ///     pool has fewer.
    ///   - checkpoint: Called before each loop. What it throws ends the computation: that is how a request to stop
    ///     reaches long computations.
    package init(threadCount: Int, checkpoint: @escaping @Sendable () throws -> Void = {}) {
        let loop = SharedLoop(threadCount: max(threadCount, 1))
        var helpers: [BackgroundThread<Void>] = []
        for worker in 1..<max(threadCount, 1) {
            guard let helper = try? BackgroundThread.start({ loop.serve(worker: worker) }) else { break }
            helpers.append(helper)
        }
        self.loop = loop
        self.helpers = helpers
        self.threadCount = helpers.count + 1
        self.checkpoint = checkpoint
    }

    deinit {
        loop.stop()
        for helper in helpers { _ = try? helper.join() }
    }

    /// Calls `body` with ranges that together cover `0..<count` once, on all threads, and returns when all are done.
    ///
    /// - Parameters:
    ///   - chunk: How many indices are claimed at a time.
    ///   - order: Which chunk a thread claims next.
    ///   - body: Receives a range of indices and the number of the thread it runs on, in `0..<threadCount`.
    /// - Throws: What the checkpoint throws, or the error of the lowest range that threw. Ranges that no thread has
    ///   begun are then skipped.
    package func parallelFor(
        _ count: Int, chunk: Int = 1, order: LoopOrder = .ascending,
        _ body: (_ range: Range<Int>, _ worker: Int) throws -> Void
    ) throws {
        guard count > 0 else { return }
        try checkpoint()
        if helpers.isEmpty || count <= chunk {
            var start = 0
            while start < count {
                let end = min(start + chunk, count)
                try body(start..<end, 0)
                start = end
            }
            return
        }
        try withoutActuallyEscaping(body) { body in
            try loop.run(count, chunk: max(chunk, 1), order: order, body)
        }
    }
}

/// The loop that the calling thread offers to the helpers.
///
/// A helper that has taken a chunk keeps the loop alive until it says that the chunk is done: the caller waits for all
/// chunks, but not for helpers that have none. Nobody takes a lock unless somebody sleeps.
///
/// Each line of memory that travels from core to core delays a loop by about 0.1 µs. So what the caller writes, what
/// helpers write and what rarely changes are on lines of their own.
private final class SharedLoop: @unchecked Sendable {
    typealias Body = (Range<Int>, Int) throws -> Void

    /// What the caller tells the helpers. It is written while no chunk is left, and read by a thread that has taken
    /// one; `number` tells them to try.
    private struct Offer: ~Copyable {
        var body: Body = { _, _ in }
        var count = 0
        var chunk = 1
        // Not the first one: the thread sanitizer takes a change of any member for one of the first.
        let number = Atomic<UInt64>(0)
    }

    /// Who sleeps, and whether the pool ends.
    private struct Sleepers: ~Copyable {
        let helpers = Atomic<Int>(0)
        let caller = Atomic<Bool>(false)
        /// When the caller began to wait, and when it ended to wait before, in nanoseconds.
        let waitBegan = Atomic<Int64>(0)
        let waitEnded = Atomic<Int64>(0)
        let isStopping = Atomic<Bool>(false)
    }

    private let shares: WorkShares
    private let offer = CacheLines { Offer() }
    /// How many chunks helpers have done, in all loops.
    private let doneByHelpers = CacheLines { Atomic<Int>(0) }
    /// What `doneByHelpers` is when all chunks of all loops are done. Only the caller knows it.
    private let expected = CacheLines { 0 }
    private let sleepers = CacheLines { Sleepers() }
    private let failure = Lock<(start: Int, error: any Error)?>(nil)
    // What threads wait for is in the atomics above; the conditions count how often threads were woken. The thread
    // sanitizer takes a change of a value without a size for one of the object that holds it.
    private let helperWakeUp = Condition(0)
    private let callerWakeUp = Condition(0)
    /// About 50 µs: longer than the time between the loops of a model, too short to be seen in processor use.
    private static let spins = 4000

    init(threadCount: Int) { shares = WorkShares(count: threadCount) }

    deinit {
        offer.deallocate()
        doneByHelpers.deallocate()
        expected.deallocate()
        sleepers.deallocate()
    }

    /// Offers a loop to the helpers, works on it, and waits until all is done.
    func run(_ count: Int, chunk: Int, order: LoopOrder, _ body: @escaping Body) throws {
        let offer = offer[0]
        let chunk = max(chunk, (count - 1) / WorkShares.mostChunks + 1)
        let chunks = (count - 1) / chunk + 1
        offer.pointee.body = body
        offer.pointee.count = count
        offer.pointee.chunk = chunk
        shares.fill(chunks, order: order)
        offer.pointee.number.add(1, ordering: .sequentiallyConsistent)
        if sleepers[0].pointee.helpers.load(ordering: .sequentiallyConsistent) > 0 { helperWakeUp.change { $0 &+= 1 } }
        let own = work(worker: 0)
        expected[0].pointee &+= chunks - own
        waitForHelpers(expected[0].pointee)
        offer.pointee.body = { _, _ in }
        if let failure = failure.withLock({ $0.take() }) { throw failure.error }
    }

    private func waitForHelpers(_ expected: Int) {
        let done = doneByHelpers[0]
        for _ in 0..<Self.spins {
            if done.pointee.load(ordering: .acquiring) == expected { return }
            pvit_spin_pause()
        }
        let sleepers = sleepers[0]
        sleepers.pointee.waitBegan.store(MonotonicTime.nanoseconds, ordering: .relaxed)
        sleepers.pointee.caller.store(true, ordering: .sequentiallyConsistent)
        callerWakeUp.wait(until: { _ in done.pointee.load(ordering: .sequentiallyConsistent) == expected })
        sleepers.pointee.caller.store(false, ordering: .relaxed)
        sleepers.pointee.waitEnded.store(MonotonicTime.nanoseconds, ordering: .relaxed)
    }

    /// Works as long as there are chunks. Returns how many were done or, after a failure, removed.
    private func work(worker: Int) -> Int {
        guard var number = shares.take(for: worker) else { return 0 }
        let (body, count, chunk) = (offer[0].pointee.body, offer[0].pointee.count, offer[0].pointee.chunk)
        var done = 0
        while true {
            let start = number * chunk
            do {
                try body(start..<min(start + chunk, count), worker)
            } catch {
                failure.withLock { if start < $0?.start ?? .max { $0 = (start, error) } }
                done += shares.empty()
            }
            done += 1
            guard let next = shares.take(for: worker) else { return done }
            number = next
        }
    }

    /// The work of a helper, until the pool stops.
    func serve(worker: Int) {
        let (offer, sleepers) = (offer[0], sleepers[0])
        var seen: UInt64 = 0
        var spins = 0
        var absence = Absence()
        while !sleepers.pointee.isStopping.load(ordering: .relaxed) {
            let number = offer.pointee.number.load(ordering: .acquiring)
            if number != seen {
                seen = number
                spins = 0
                let done = work(worker: worker)
                guard done > 0 else { continue }
                doneByHelpers[0].pointee.add(done, ordering: .sequentiallyConsistent)
                guard sleepers.pointee.caller.load(ordering: .sequentiallyConsistent) else { continue }
                let waitBegan = sleepers.pointee.waitBegan.load(ordering: .relaxed)
                let undisturbed = waitBegan - sleepers.pointee.waitEnded.load(ordering: .relaxed)
                callerWakeUp.change { $0 &+= 1 }
                let waited = MonotonicTime.nanoseconds - waitBegan
                guard let time = absence.begin(waited: waited, undisturbed: undisturbed) else { continue }
                helperWakeUp.wait(upTo: time) { _ in sleepers.pointee.isStopping.load(ordering: .relaxed) }
                absence.end()
            } else if spins < Self.spins {
                spins += 1
                pvit_spin_pause()
            } else {
                sleep(after: seen)
                // A helper that wakes too late for one loop will be in time for the next.
                spins = 0
            }
        }
    }

    private func sleep(after seen: UInt64) {
        let (offer, sleepers) = (offer[0], sleepers[0])
        sleepers.pointee.helpers.add(1, ordering: .sequentiallyConsistent)
        helperWakeUp.wait(until: { _ in
            offer.pointee.number.load(ordering: .sequentiallyConsistent) != seen
                || sleepers.pointee.isStopping.load(ordering: .relaxed)
        })
        sleepers.pointee.helpers.subtract(1, ordering: .relaxed)
    }

    func stop() {
        helperWakeUp.change { _ in sleepers[0].pointee.isStopping.store(true, ordering: .relaxed) }
    }
}
