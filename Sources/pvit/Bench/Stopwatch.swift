import PVITModel

/// The times of repeated runs.
struct RunTimes {
    /// The seconds of each run; at least one.
    let seconds: [Double]

    var median: Double {
        let sorted = seconds.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The difference between the slowest and the fastest run, relative to the median.
    var spread: Double { ((seconds.max() ?? 0) - (seconds.min() ?? 0)) / median }
}

/// Measures the time of repeated runs.
struct Stopwatch {
    /// The number of runs to time, after one that does not count.
    let runs: Int

    /// Times `work`, with one call per run.
    ///
    /// - Throws: What `work` throws, and `Interruption`.
    func time(_ work: () throws -> Void) throws -> RunTimes {
        try work()
        return RunTimes(
            seconds: try (0..<runs).map { _ in
                try Interruption.check()
                return try once(work)
            })
    }

    /// Times two kinds of work alternately, so that changes in the machine's speed affect both.
    ///
    /// - Throws: What the work throws, and `Interruption`.
    func timeInTurns(
        _ first: () throws -> Void, _ second: () throws -> Void
    ) throws -> (first: RunTimes, second: RunTimes) {
        var seconds: (first: [Double], second: [Double]) = ([], [])
        try first()
        for _ in 0..<runs {
            try Interruption.check()
            seconds.first.append(try once(first))
            seconds.second.append(try once(second))
        }
        return (RunTimes(seconds: seconds.first), RunTimes(seconds: seconds.second))
    }

    /// Times work that is too short for the clock. Each run makes enough calls to take some milliseconds; the times are
    /// per call.
    func timeShort(_ work: () -> Void) throws -> RunTimes {
        var calls = 1
        while once({ for _ in 0..<calls { work() } }) < 0.01 { calls *= 2 }
        let times = try time { for _ in 0..<calls { work() } }
        return RunTimes(seconds: times.seconds.map { $0 / Double(calls) })
    }

    private func once(_ work: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try work()
        return (ContinuousClock.now - start).seconds
    }
}
