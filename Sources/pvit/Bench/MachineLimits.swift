import Compute
import LanguageModel
import Storage

/// What the machine can do at most with the threads of an engine.
struct MachineLimits {
    /// The measurements themselves: reading memory, and multiplying.
    let measurements: [Measurement]
    /// The best runs: a limit that was reached once exists.
    let bytesPerSecond: Double
    let operationsPerSecond: Double

    /// Measures the limits; a small budget of memory makes that of reading look better than it is.
    init(of engine: ComputeEngine, within budget: ByteCount?, _ clock: Stopwatch) throws {
        let probe = MachineProbe(engine: engine, budget: budget)
        var (bytes, operations) = (0.0, 0.0)
        let read = try clock.time { bytes = try probe.read() }
        let dot = try clock.time { operations = try probe.dot() }
        measurements = [
            Measurement(test: .read, threads: engine.threadCount, times: read, amount: bytes),
            Measurement(test: .dot, threads: engine.threadCount, times: dot, amount: operations),
        ]
        bytesPerSecond = bytes / (read.seconds.min() ?? .infinity)
        operationsPerSecond = operations / (dot.seconds.min() ?? .infinity)
    }

    /// The least time for reading `bytes` and, meanwhile, `operations`.
    func seconds(bytes: Double, operations: Double) -> Double {
        max(bytes / bytesPerSecond, operations / operationsPerSecond)
    }
}
