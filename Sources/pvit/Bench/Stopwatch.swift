import PVITModel

/// The times of several runs of the same work.
struct RunTimes {
    /// Seconds of each run that counts; at least one.
    let seconds: [Double]

    var median: Double {
        let sorted = seconds.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// From the fastest to the slowest, relative to the median.
    var spread: Double { ((seconds.max() ?? 0) - (seconds.min() ?? 0)) / median }
}

/// Runs work again and again with the clock on.
struct Stopwatch {
    /// Runs that count; one before them does not.
    let runs: Int

    /// Times `work`, one call for each run.
    ///
    /// - Throws: What `work` throws, and `interrupted`.
    func time(_ work: () throws -> Void) throws -> RunTimes {
        try work()
        return RunTimes(
            seconds: try (0..<runs).map { _ in
                try Interruption.check()
                return try once(work)
            })
    }

    /// Times two kinds of work in turns, so that a machine whose speed changes is unfair to none.
    ///
    /// - Throws: What the work throws, and `interrupted`.
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

    /// Times work that is too short for the clock: as many calls for each run as take some milliseconds. The times are
    /// those of single calls.
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
