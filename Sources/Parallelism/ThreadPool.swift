import CKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A fixed set of threads that share loops.
///
/// Work is claimed in chunks, so a thread that the operating system has put aside holds up only the chunk it is in. Idle
/// threads spin briefly and then sleep: an idle pool uses no processor time. One loop runs at a time; a loop must not
/// start another one on the same pool.
public final class ThreadPool: Sendable {
    /// How many threads share a loop, the calling one included.
    public let threadCount: Int
    private let shared: SharedState
    private let workers: [pthread_t]

    /// Starts the threads.
    ///
    /// - Parameter threadCount: At least 1; with 1, loops run on the calling thread alone.
    public init(threadCount: Int) {
        let shared = SharedState()
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
    }

    deinit {
        shared.stop()
        for worker in workers { pthread_join(worker, nil) }
    }

    /// Calls `body` with ranges that together cover `0..<count` once, on all threads, and returns when all are done.
    ///
    /// - Parameters:
    ///   - chunk: How many indices are claimed at a time.
    ///   - body: Gets a range of indices and the number of the thread it runs on, in `0..<threadCount`.
    /// - Throws: The error of the lowest range that threw; ranges that no thread has begun are then skipped.
    public func parallelFor(
        _ count: Int, chunk: Int = 1, _ body: (_ range: Range<Int>, _ worker: Int) throws -> Void
    ) throws {
        guard count > 0 else { return }
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
                Loop(count: count, chunk: chunk, body: body), helpers: min(workers.count, (count - 1) / chunk))
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

/// One loop, alive from its start until the last helper has left it.
private final class Loop: @unchecked Sendable {
    // Set until the caller, having waited for every helper to leave, takes it away: it must not outlive the call.
    private var body: ((Range<Int>, Int) throws -> Void)?
    let count: Int
    let chunk: Int
    let next = Atomic<Int>(0)
    let failure = Mutex<(start: Int, error: any Error)?>(nil)

    init(count: Int, chunk: Int, body: @escaping (Range<Int>, Int) throws -> Void) {
        self.count = count
        self.chunk = max(chunk, 1)
        self.body = body
    }

    func work(worker: Int) {
        guard let body else { return }
        while true {
            let start = next.add(chunk, ordering: .relaxed).oldValue
            guard start < count else { return }
            do {
                try body(start..<min(start + chunk, count), worker)
            } catch {
                failure.withLock { if start < $0?.start ?? .max { $0 = (start, error) } }
                next.store(count, ordering: .relaxed)
            }
        }
    }

    func releaseBody() { body = nil }
}

/// What the calling thread and the helpers share.
private final class SharedState: @unchecked Sendable {
    // Guarded by `lock`, except that `generation` and `pending` are read while spinning.
    private var loop: Loop?
    private var seats = 0
    private var stopping = false
    private let generation = Atomic<Int>(0)
    private let pending = Atomic<Int>(0)
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let finished: UnsafeMutablePointer<pthread_cond_t>
    private static let spins = 4000

    init() {
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

    /// Offers the loop to `helpers` threads, works on it, and waits for those that took a seat.
    func run(_ loop: Loop, helpers: Int) throws {
        pthread_mutex_lock(lock)
        self.loop = loop
        seats = helpers
        generation.add(1, ordering: .releasing)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(lock)

        loop.work(worker: 0)

        // Seats that nobody has taken by now are withdrawn: a helper that is not running is not waited for.
        pthread_mutex_lock(lock)
        seats = 0
        self.loop = nil
        pthread_mutex_unlock(lock)
        var spins = 0
        while pending.load(ordering: .acquiring) > 0, spins < Self.spins {
            spins += 1
            pvit_spin_pause()
        }
        if pending.load(ordering: .acquiring) > 0 {
            pthread_mutex_lock(lock)
            while pending.load(ordering: .acquiring) > 0 { pthread_cond_wait(finished, lock) }
            pthread_mutex_unlock(lock)
        }
        loop.releaseBody()
        if let failure = loop.failure.withLock({ $0 }) { throw failure.error }
    }

    func serve(worker: Int) {
        var seen = 0
        while true {
            var spins = 0
            while generation.load(ordering: .acquiring) == seen, spins < Self.spins {
                spins += 1
                pvit_spin_pause()
            }
            pthread_mutex_lock(lock)
            while generation.load(ordering: .acquiring) == seen, !stopping { pthread_cond_wait(wake, lock) }
            if stopping {
                pthread_mutex_unlock(lock)
                return
            }
            seen = generation.load(ordering: .acquiring)
            var taken: Loop?
            if seats > 0, let loop {
                seats -= 1
                pending.add(1, ordering: .relaxed)
                taken = loop
            }
            pthread_mutex_unlock(lock)
            guard let taken else { continue }
            taken.work(worker: worker)
            if pending.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
                pthread_mutex_lock(lock)
                pthread_cond_signal(finished)
                pthread_mutex_unlock(lock)
            }
        }
    }

    func stop() {
        pthread_mutex_lock(lock)
        stopping = true
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(lock)
    }
}
