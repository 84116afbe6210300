#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

import Parallelism
import Platform
import Synchronization
import Testing

@Suite("The thread pool")
struct ThreadPoolTests {
    @Test("each index is visited once, whatever the threads and chunks", arguments: [1, 2, 5], [1, 3, 64, 1000])
    func coverage(threads: Int, chunk: Int) throws {
        let pool = ThreadPool(threadCount: threads)
        for count in [0, 1, 2, 3, 63, 257] {
            for order in [LoopOrder.ascending, .neighbours] {
                let visits = (0..<count).map { _ in Atomic<Int>.Box() }
                try pool.parallelFor(count, chunk: chunk, order: order) { range, worker in
                    #expect(worker >= 0 && worker < pool.threadCount)
                    #expect(range.count <= chunk && range.lowerBound % chunk == 0)
                    for index in range { visits[index].value.add(1, ordering: .relaxed) }
                }
                #expect(visits.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
            }
        }
    }

    @Test("in ascending order each thread only goes forward, and no index is left behind for later")
    func ascending() throws {
        let pool = ThreadPool(threadCount: 3)
        let begun = Lock<Set<Int>>([])
        try pool.parallelFor(500) { range, _ in
            let missing = begun.withLock { begun in
                begun.insert(range.lowerBound)
                return range.lowerBound + 1 - begun.filter { $0 <= range.lowerBound }.count
            }
            // The other threads have taken theirs and may not have said so.
            #expect(missing < pool.threadCount)
        }
    }

    @Test(
        "a thread that does not go on holds up nothing but the chunk that it has", .timeLimit(.minutes(1)),
        arguments: [LoopOrder.ascending, .neighbours])
    func stalledThread(order: LoopOrder) throws {
        let pool = ThreadPool(threadCount: 3)
        let count = 300
        let done = Atomic<Int>(0)
        let stalled = Atomic<Bool>(false)
        try pool.parallelFor(count, order: order) { range, worker in
            if worker == 0, !stalled.exchange(true, ordering: .relaxed) {
                while done.load(ordering: .relaxed) < count - 1 { sched_yield() }
            }
            done.add(range.count, ordering: .relaxed)
        }
        #expect(done.load(ordering: .relaxed) == count)
    }

    @Test("no two ranges run under the same worker number at once")
    func workersAreExclusive() throws {
        let pool = ThreadPool(threadCount: 4)
        let busy = (0..<pool.threadCount).map { _ in Atomic<Int>.Box() }
        try pool.parallelFor(2000) { _, worker in
            #expect(busy[worker].value.add(1, ordering: .acquiringAndReleasing).newValue == 1)
            busy[worker].value.subtract(1, ordering: .acquiringAndReleasing)
        }
    }

    @Test("an error ends the loop and reaches the caller, and the pool can be used again")
    func errors() throws {
        struct Failure: Error, Equatable { let place: Int }
        let pool = ThreadPool(threadCount: 3)
        for _ in 0..<200 {
            #expect(throws: Failure(place: 0)) {
                try pool.parallelFor(50) { range, _ in throw Failure(place: range.lowerBound < 50 ? 0 : 1) }
            }
            let sum = Atomic<Int>(0)
            try pool.parallelFor(100, chunk: 7) { range, _ in sum.add(range.reduce(0, +), ordering: .relaxed) }
            #expect(sum.load(ordering: .relaxed) == 4950)
        }
    }

    @Test("what the checkpoint throws ends the work between two loops")
    func checkpoint() throws {
        struct Stop: Error {}
        let mayRun = Atomic<Int>(2)
        let pool = ThreadPool(threadCount: 2) {
            if mayRun.subtract(1, ordering: .relaxed).newValue < 0 { throw Stop() }
        }
        let ran = Atomic<Int>(0)
        #expect(throws: Stop.self) {
            while true { try pool.parallelFor(8) { range, _ in ran.add(range.count, ordering: .relaxed) } }
        }
        #expect(ran.load(ordering: .relaxed) == 16)
    }

    @Test("many short loops in a row all finish")
    func manyLoops() throws {
        let pool = ThreadPool(threadCount: 2)
        let total = Atomic<Int>(0)
        for _ in 0..<20_000 {
            try pool.parallelFor(2) { range, _ in total.add(range.count, ordering: .relaxed) }
        }
        #expect(total.load(ordering: .relaxed) == 40_000)
    }
}

extension Atomic where Value == Int {
    /// An atomic number that an array can hold.
    fileprivate final class Box: Sendable {
        let value = Atomic<Int>(0)
    }
}
