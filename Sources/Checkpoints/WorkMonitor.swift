import Storage

extension PVITError.Code {
    /// The user stopped the work.
    package static let cancelled = Self("work.cancelled", .inputOutput)
}

/// Reports the progress of long work and asks whether to stop it.
package struct WorkMonitor: Sendable {
    /// Called with the number of input bytes that are done and their total, from one thread at a time.
    package let report: @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    /// Whether to stop. Called between chunks of work, from any thread.
    package let isCancelled: @Sendable () -> Bool

    /// Creates a monitor; by default it reports nothing and does not stop the work.
    package init(
        report: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.report = report
        self.isCancelled = isCancelled
    }

    /// Throws `work.cancelled` if the work was cancelled.
    package func checkCancellation() throws {
        if isCancelled() {
            throw PVITError(.cancelled, "stopped on request; no output was written")
        }
    }
}
