import Checkpoints
import CPVIT
import Platform
import Storage
import Synchronization

/// The callbacks of one call. They are called at most about every 10 ms.
final class CallWatch: @unchecked Sendable {
    private let progress: pvit_progress_callback?
    private let abort: pvit_abort_callback?
    // Belongs to the caller, who keeps it valid during the call.
    private let context: UnsafeMutableRawPointer?
    private let aborted = Atomic<Bool>(false)
    /// When the abort callback is due. It is compared with the time before each loop of a computation.
    private let due = Atomic<Int64>(0)
    /// Callbacks are called one at a time.
    private let calling = Lock(())

    private static let nanoseconds: Int64 = 10_000_000

    init(
        progress: pvit_progress_callback? = nil, abort: pvit_abort_callback? = nil,
        context: UnsafeMutableRawPointer? = nil
    ) {
        self.progress = progress
        self.abort = abort
        self.context = context
    }

    /// Whether the abort callback has ended the call. Asks it if the last time is long ago.
    var isAborted: Bool {
        guard let abort else { return false }
        if aborted.load(ordering: .relaxed) { return true }
        let now = MonotonicTime.coarseNanoseconds
        guard now >= due.load(ordering: .relaxed) else { return false }
        return calling.withLock { _ in
            // Another thread may have asked meanwhile.
            if now < due.load(ordering: .relaxed) { return aborted.load(ordering: .relaxed) }
            due.store(now + Self.nanoseconds, ordering: .relaxed)
            guard abort(context) != 0 else { return false }
            aborted.store(true, ordering: .relaxed)
            return true
        }
    }

    /// - Throws: `work.cancelled`.
    func check() throws {
        if isAborted { throw PVITError(.cancelled, "ended by the abort callback") }
    }

    func report(done: UInt64, total: UInt64) {
        guard let progress else { return }
        calling.withLock { _ in progress(context, done, total) }
    }

    /// The callbacks for a conversion.
    var monitor: WorkMonitor {
        WorkMonitor(
            report: { [self] done, total in report(done: done, total: total) },
            isCancelled: { [self] in isAborted })
    }
}

/// `pvit_abort_if_set`, which pvit.h describes.
@c @implementation
public func pvit_abort_if_set(_ flag: UnsafeMutableRawPointer?) -> Int32 {
    guard let flag else { return 0 }
    return flag.assumingMemoryBound(to: Atomic<Int32>.self).pointee.load(ordering: .relaxed)
}
