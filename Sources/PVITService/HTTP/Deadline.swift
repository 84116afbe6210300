import HTTPTypes
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import PVITModel

/// Runs `body`, and cancels it when the time is over.
///
/// The timer is one of an event loop, because those are gone when they are cancelled: what waits in `Task.sleep` stays
/// in memory until its time is over.
///
/// - Parameter problem: The error if the time is over.
/// - Throws: What `body` throws, or `problem`.
func withDeadline<Result: Sendable>(
    _ time: Duration, _ problem: ServiceError? = nil, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let task = Task(operation: body)
    let isOver = NIOLockedValueBox(false)
    let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: TimeAmount(time)) {
        isOver.withLockedValue { $0 = true }
        task.cancel()
    }
    defer { timer.cancel() }
    do {
        return try await task.valueOrCancelled
    } catch {
        guard isOver.withLockedValue({ $0 }) else { throw error }
        throw problem
            ?? ServiceError(.requestTimeout, "the answer took longer than \(time.seconds) seconds", code: "timeout")
    }
}
