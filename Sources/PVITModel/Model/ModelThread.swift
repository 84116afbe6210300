import Parallelism
import Platform
import Synchronization

/// A thread that runs the calls on a model one after another, so that no thread of Swift's tasks is held up by them.
final class ModelThread: Sendable {
    private struct Queue {
        var calls: [@Sendable () -> Void] = []
        var isClosed = false
    }

    private let queue = Condition(Queue())
    /// Tells the model's engine that the task which waits for the current call was cancelled.
    private let current = Lock<Cancellation?>(nil)

    /// Whether the task that made a call was cancelled.
    private final class Cancellation: Sendable {
        private let isSet = Atomic<Bool>(false)

        func set() { isSet.store(true, ordering: .relaxed) }

        func check() throws {
            if isSet.load(ordering: .relaxed) { throw CancellationError() }
        }
    }

    /// Starts the thread. It ends when this object is released and the last call has returned.
    ///
    /// - Throws: `internal.defect` if the system cannot start a thread.
    init() throws {
        let queue = queue
        try BackgroundThread<Void>.detach {
            while let call = queue.wait(
                until: { !$0.calls.isEmpty || $0.isClosed },
                then: { queue in
                    queue.calls.isEmpty ? nil : queue.calls.removeFirst()
                })
            { call() }
        }
    }

    deinit { queue.change { $0.isClosed = true } }

    /// Ends the current call if its task was cancelled. For the checkpoint of the model's engine.
    ///
    /// - Throws: `CancellationError`.
    func check() throws { try current.withLock { $0 }?.check() }

    /// Runs a call and waits for its result. Cancelling the task ends the call.
    ///
    /// - Throws: What the call throws; `CancellationError`.
    func run<Result: Sendable>(_ call: @escaping @Sendable () throws -> Result) async throws -> Result {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.change { queue in
                    queue.calls.append { [self] in
                        current.withLock { $0 = cancellation }
                        let result = Swift.Result {
                            try cancellation.check()
                            return try call()
                        }
                        current.withLock { $0 = nil }
                        continuation.resume(with: result)
                    }
                }
            }
        } onCancel: {
            cancellation.set()
        }
    }
}
