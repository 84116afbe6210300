import Parallelism
import Testing

@Suite("Ordered work of several threads")
struct OrderedSinkTests {
    private struct Stop: Error {}

    @Test(
        "pieces are consumed in order, by one thread at a time, never more in memory than the window",
        arguments: [1, 3, 8])
    func order(window: Int) throws {
        var consumed: [Int] = []
        let sink = OrderedSink<Int>(window: window) { consumed.append($0) }
        let pool = ThreadPool(threadCount: 4)
        try pool.parallelFor(500) { range, _ in
            for number in range {
                // Uneven work.
                var sum = 0
                for value in 0..<(number * 7919 % 13 * 400) { sum &+= value }
                try sink.submit(number, number + (sum & 0))
            }
        }
        #expect(consumed == Array(0..<500))
    }

    @Test("a failure on either side reaches every thread and nothing hangs")
    func failure() {
        for failing in [0, 1, 77, 199] {
            for isConsumer in [true, false] {
                let sink = OrderedSink<Int>(window: 2) { if isConsumer, $0 == failing { throw Stop() } }
                let pool = ThreadPool(threadCount: 4)
                #expect(throws: Stop.self) {
                    try pool.parallelFor(200) { range, _ in
                        for number in range {
                            do {
                                if !isConsumer, number == failing { throw Stop() }
                                try sink.submit(number, number)
                            } catch {
                                sink.fail(error)
                                throw error
                            }
                        }
                    }
                }
                #expect(sink.failure is Stop)
            }
        }
    }
}
