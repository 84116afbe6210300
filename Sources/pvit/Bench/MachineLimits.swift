import Compute
import LanguageModel
import Storage

/// The maximum speed of the machine with the threads of an engine.
struct MachineLimits {
    /// The measurements: reading memory, multiplying, and sharing loops.
    let measurements: [Measurement]
    /// The rates of the fastest runs, because a limit that was reached once is possible.
    let bytesPerSecond: Double
    let operationsPerSecond: Double

    /// Measures the limits. With a small memory budget, part of the data stays in the cache and the read rate is too
    /// high.
    init(of engine: ComputeEngine, within budget: ByteCount?, _ clock: Stopwatch) throws {
        let probe = MachineProbe(engine: engine, budget: budget)
        var (bytes, operations, loops) = (0.0, 0.0, 0.0)
        let read = try clock.time { bytes = try probe.read() }
        let dot = try clock.time { operations = try probe.dot() }
        let loop = try clock.time { loops = try probe.loops() }
        measurements = [(Measurement.Test.read, read, bytes), (.dot, dot, operations), (.loop, loop, loops)].map {
            Measurement(
                test: $0, instructionSet: engine.instructionSet, threads: engine.threadCount, times: $1, amount: $2)
        }
        bytesPerSecond = bytes / (read.seconds.min() ?? .infinity)
        operationsPerSecond = operations / (dot.seconds.min() ?? .infinity)
    }

    /// The minimum time to read `bytes` and do `operations` at the same time.
    func seconds(bytes: Double, operations: Double) -> Double {
        max(bytes / bytesPerSecond, operations / operationsPerSecond)
    }
}
