import CKernels
import Platform
import Synchronization

/// A fixed set of threads that share loops.
///
/// Threads claim work in chunks, so a thread that the operating system has suspended delays only its current chunk.
/// Idle threads spin briefly and then sleep; an idle pool uses no processor time. One loop runs at a time, and a loop
/// must not start another one on the same pool.
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
            try loop.run(
                count, chunk: max(chunk, 1), order: order, helpers: min(helpers.count, (count - 1) / chunk), body)
        }
    }
}

/// The loop that the calling thread offers to the helpers.
///
/// A loop is open while it has free slots. A helper takes a slot, works, and counts itself out. The caller closes the
/// loop when no work is left, and waits for the helpers that took a slot. It does not wait for helpers that are not
/// running at that time. Nobody takes a lock unless somebody sleeps.
private final class SharedLoop: @unchecked Sendable {
    // Written by the caller while the loop is closed and no helper is inside.
    private var body: ((Range<Int>, Int) throws -> Void)?
    private var count = 0
    private var chunk = 1
    private let shares: WorkShares
    private let failure = Lock<(start: Int, error: any Error)?>(nil)

    /// The free slots in the low 16 bits, and above them the number of the loop.
    private let state = Atomic<UInt64>(0)
    /// The helpers that have left the loop.
    private let departed = Atomic<Int>(0)
    private let sleepingHelpers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let isStopping = Atomic<Bool>(false)
    // What threads wait for is in the atomics above; the conditions count how often threads were woken. The thread
    // sanitizer takes a change of a value without a size for one of the object that holds it.
    private let helperWakeUp = Condition(0)
    private let callerWakeUp = Condition(0)
    private static let slotMask: UInt64 = 0xFFFF
    /// About 50 µs: longer than the time between the loops of a model, too short to be seen in processor use.
    private static let spins = 4000

    init(threadCount: Int) { shares = WorkShares(count: threadCount) }

    /// Offers a loop to `helpers` threads, works on it, and waits for those that took a slot.
    func run(
        _ count: Int, chunk: Int, order: LoopOrder, helpers: Int, _ body: @escaping (Range<Int>, Int) throws -> Void
    ) throws {
        let helpers = min(helpers, Int(Self.slotMask))
        self.body = body
        self.count = count
        self.chunk = chunk
        shares.fill((count + chunk - 1) / chunk, order: order)
        departed.store(0, ordering: .relaxed)
        let number = (state.load(ordering: .relaxed) >> 16) &+ 1
        state.store(number << 16 | UInt64(helpers), ordering: .sequentiallyConsistent)
        if sleepingHelpers.load(ordering: .sequentiallyConsistent) > 0 { helperWakeUp.change { $0 &+= 1 } }
        work(body, worker: 0)
        let free = state.bitwiseAnd(~Self.slotMask, ordering: .acquiringAndReleasing).oldValue & Self.slotMask
        waitForDeparture(of: helpers - Int(free))
        self.body = nil
        if let failure = failure.withLock({ $0.take() }) { throw failure.error }
    }

    private func waitForDeparture(of helpers: Int) {
        for _ in 0..<Self.spins {
            if departed.load(ordering: .acquiring) >= helpers { return }
            pvit_spin_pause()
        }
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        callerWakeUp.wait(until: { _ in departed.load(ordering: .sequentiallyConsistent) >= helpers })
        callerSleeps.store(false, ordering: .relaxed)
    }

    private func work(_ body: (Range<Int>, Int) throws -> Void, worker: Int) {
        while let number = shares.take(for: worker) {
            let start = number * chunk
            do {
                try body(start..<min(start + chunk, count), worker)
            } catch {
                failure.withLock { if start < $0?.start ?? .max { $0 = (start, error) } }
                shares.empty()
            }
        }
    }

    /// The work of a helper, until the pool stops.
    func serve(worker: Int) {
        var seen: UInt64 = 0
        var spins = 0
        while !isStopping.load(ordering: .relaxed) {
            let current = state.load(ordering: .acquiring)
            if isOpen(current, after: seen) {
                spins = 0
                let taken = state.compareExchange(
                    expected: current, desired: current - 1, ordering: .acquiringAndReleasing)
                guard taken.exchanged else { continue }
                seen = current >> 16
                if let body { work(body, worker: worker) }
                departed.add(1, ordering: .sequentiallyConsistent)
                if callerSleeps.load(ordering: .sequentiallyConsistent) { callerWakeUp.change { $0 &+= 1 } }
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

    private func isOpen(_ state: UInt64, after seen: UInt64) -> Bool {
        state & Self.slotMask > 0 && state >> 16 != seen
    }

    private func sleep(after seen: UInt64) {
        sleepingHelpers.add(1, ordering: .sequentiallyConsistent)
        helperWakeUp.wait(until: { _ in
            isOpen(state.load(ordering: .sequentiallyConsistent), after: seen) || isStopping.load(ordering: .relaxed)
        })
        sleepingHelpers.subtract(1, ordering: .relaxed)
    }

    func stop() {
        helperWakeUp.change { _ in isStopping.store(true, ordering: .relaxed) }
    }
}
