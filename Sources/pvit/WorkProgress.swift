import Checkpoints

/// Runs long work with a progress line. Ctrl-C cancels it.
func withProgress<Result>(
    _ label: String, _ display: OutputOptions, _ work: (WorkMonitor) throws -> Result
) throws -> Result {
    Interruption.watch()
    let line = ProgressLine(label, quiet: display.quiet)
    defer { line.finish() }
    return try work(
        WorkMonitor(
            report: { done, total in line.update(done: done, total: total) },
            isCancelled: { Interruption.isRequested }))
}
