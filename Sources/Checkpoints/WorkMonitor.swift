import Storage

extension PVITError.Code {
    /// The user stopped the work.
    public static let cancelled = Self("work.cancelled", .inputOutput)
}

/// How long work reports its progress and learns that it shall stop.
public struct WorkMonitor: Sendable {
    /// Called with the bytes of input that are done and those that there are in all, from one thread at a time.
    public let report: @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    /// Asked between pieces of work, from any thread: whether to stop.
    public let isCancelled: @Sendable () -> Bool

    /// Creates a monitor; by default nothing is reported and nothing stops the work.
    public init(
        report: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.report = report
        self.isCancelled = isCancelled
    }

    /// Throws `work.cancelled` when the work shall stop.
    public func checkCancellation() throws {
        if isCancelled() {
            throw PVITError(.cancelled, "stopped on request; nothing was left under the name of the output")
        }
    }
}
