import CKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A fixed set of threads that share loops.
///
/// Work is claimed in chunks, so a thread that the operating system has put aside holds up only the chunk it is in.
/// Idle threads spin briefly and then sleep: an idle pool uses no processor time. One loop runs at a time; a loop must
/// not start another one on the same pool.
public final class ThreadPool: Sendable {
    /// How many threads share a loop, the calling one included.
    public let threadCount: Int
    private let shared: SharedState
    private let workers: [pthread_t]
    private let checkpoint: @Sendable () throws -> Void

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threadCount: At least 1; with 1, loops run on the calling thread alone.
    ///   - checkpoint: Called before each loop. What it throws ends the work there, which is how a user's wish to stop
    ///     reaches long computations that know nothing of it.
    public init(threadCount: Int, checkpoint: @escaping @Sendable () throws -> Void = {}) {
        let shared = SharedState(threadCount: max(threadCount, 1))
        var workers: [pthread_t] = []
        for worker in 1..<max(threadCount, 1) {
            var handle = pthread_t()
            let start = Unmanaged.passRetained(WorkerStart(shared: shared, worker: worker))
            let created = pthread_create(
                &handle, nil,
                { argument in
                    guard let argument else { return nil }
                    let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
                    start.shared.serve(worker: start.worker)
                    return nil
                }, start.toOpaque())
            guard created == 0 else {
                start.release()
                break
            }
            workers.append(handle)
        }
        self.shared = shared
        self.workers = workers
        self.threadCount = workers.count + 1
        self.checkpoint = checkpoint
    }

    deinit {
        shared.stop()
        for worker in workers { pthread_join(worker, nil) }
    }

    /// Calls `body` with ranges that together cover `0..<count` once, on all threads, and returns when all are done.
    ///
    /// - Parameters:
    ///   - chunk: How many indices are claimed at a time.
    ///   - order: Which ones a thread claims next.
    ///   - body: Gets a range of indices and the number of the thread it runs on, in `0..<threadCount`.
    /// - Throws: What the checkpoint throws, or the error of the lowest range that threw; ranges that no thread has
    ///   begun are then skipped.
    public func parallelFor(
        _ count: Int, chunk: Int = 1, order: LoopOrder = .ascending,
        _ body: (_ range: Range<Int>, _ worker: Int) throws -> Void
    ) throws {
        guard count > 0 else { return }
        try checkpoint()
        if workers.isEmpty || count <= chunk {
            var start = 0
            while start < count {
                let end = min(start + chunk, count)
                try body(start..<end, 0)
                start = end
            }
            return
        }
        try withoutActuallyEscaping(body) { body in
            try shared.run(
                count, chunk: max(chunk, 1), order: order, helpers: min(workers.count, (count - 1) / chunk), body)
        }
    }
}

private final class WorkerStart {
    let shared: SharedState
    let worker: Int

    init(shared: SharedState, worker: Int) {
        self.shared = shared
        self.worker = worker
    }
}

/// What the calling thread and the helpers share.
///
/// A loop is open while the gate has seats. Helpers that find it so take a seat, work, and count themselves out; the
/// caller closes the gate when there is no more work, and waits for those that had taken seats. Helpers that are not
/// running at that time have no seat and are not waited for. Nobody takes the lock unless somebody sleeps.
private final class SharedState: @unchecked Sendable {
    // The loop: written by the caller while the gate is closed and no helper is inside.
    private var body: ((Range<Int>, Int) throws -> Void)?
    private var count = 0
    private var chunk = 1
    private let shares: WorkShares
    private let failure = Mutex<(start: Int, error: any Error)?>(nil)

    /// The free seats in the low 16 bits, and above them the number of the loop.
    private let gate = Atomic<UInt64>(0)
    /// Helpers that have left the loop.
    private let departed = Atomic<Int>(0)
    private let sleepingHelpers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let stopping = Atomic<Bool>(false)
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let finished: UnsafeMutablePointer<pthread_cond_t>
    private static let seatMask: UInt64 = 0xFFFF
    /// Some 50 µs: longer than what lies between the loops of a model, too short to be seen in the use of the
    /// processor.
    private static let spins = 4000

    init(threadCount: Int) {
        shares = WorkShares(count: threadCount)
        lock = .allocate(capacity: 1)
        wake = .allocate(capacity: 1)
        finished = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(finished, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(wake)
        pthread_cond_destroy(finished)
        lock.deallocate()
        wake.deallocate()
        finished.deallocate()
    }

    /// Offers a loop to `helpers` threads, works on it, and waits for those that took a seat.
    func run(
        _ count: Int, chunk: Int, order: LoopOrder, helpers: Int, _ body: @escaping (Range<Int>, Int) throws -> Void
    ) throws {
        let helpers = min(helpers, Int(Self.seatMask))
        self.body = body
        self.count = count
        self.chunk = chunk
        shares.fill((count + chunk - 1) / chunk, order: order)
        departed.store(0, ordering: .relaxed)
        let number = (gate.load(ordering: .relaxed) >> 16) &+ 1
        gate.store(number << 16 | UInt64(helpers), ordering: .sequentiallyConsistent)
        if sleepingHelpers.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(lock)
            pthread_cond_broadcast(wake)
            pthread_mutex_unlock(lock)
        }
        work(body, worker: 0)
        let free = gate.bitwiseAnd(~Self.seatMask, ordering: .acquiringAndReleasing).oldValue & Self.seatMask
        waitForDeparture(of: helpers - Int(free))
        self.body = nil
        if let failure = failure.withLock({ $0.take() }) { throw failure.error }
    }

    private func waitForDeparture(of helpers: Int) {
        var spins = 0
        while departed.load(ordering: .acquiring) < helpers {
            spins += 1
            guard spins > Self.spins else {
                pvit_spin_pause()
                continue
            }
            pthread_mutex_lock(lock)
            callerSleeps.store(true, ordering: .sequentiallyConsistent)
            while departed.load(ordering: .sequentiallyConsistent) < helpers { pthread_cond_wait(finished, lock) }
            callerSleeps.store(false, ordering: .relaxed)
            pthread_mutex_unlock(lock)
        }
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

    func serve(worker: Int) {
        var seen: UInt64 = 0
        var spins = 0
        while !stopping.load(ordering: .relaxed) {
            let state = gate.load(ordering: .acquiring)
            if isOpen(state, after: seen) {
                spins = 0
                let taken = gate.compareExchange(
                    expected: state, desired: state - 1, ordering: .acquiringAndReleasing)
                guard taken.exchanged else { continue }
                seen = state >> 16
                if let body { work(body, worker: worker) }
                departed.add(1, ordering: .sequentiallyConsistent)
                if callerSleeps.load(ordering: .sequentiallyConsistent) {
                    pthread_mutex_lock(lock)
                    pthread_cond_signal(finished)
                    pthread_mutex_unlock(lock)
                }
            } else if spins < Self.spins {
                spins += 1
                pvit_spin_pause()
            } else {
                sleep(after: seen)
                // Woken too late for one loop, it will be in time for the next.
                spins = 0
            }
        }
    }

    private func isOpen(_ state: UInt64, after seen: UInt64) -> Bool {
        state & Self.seatMask > 0 && state >> 16 != seen
    }

    private func sleep(after seen: UInt64) {
        pthread_mutex_lock(lock)
        sleepingHelpers.add(1, ordering: .sequentiallyConsistent)
        if !isOpen(gate.load(ordering: .sequentiallyConsistent), after: seen), !stopping.load(ordering: .relaxed) {
            pthread_cond_wait(wake, lock)
        }
        sleepingHelpers.subtract(1, ordering: .relaxed)
        pthread_mutex_unlock(lock)
    }

    func stop() {
        pthread_mutex_lock(lock)
        stopping.store(true, ordering: .relaxed)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(lock)
    }
}
