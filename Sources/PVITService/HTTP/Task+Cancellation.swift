extension Task where Failure == any Error {
    /// The value of the task, which is cancelled when the task that waits for it is.
    var valueOrCancelled: Success {
        get async throws {
            try await withTaskCancellationHandler {
                try await value
            } onCancel: {
                cancel()
            }
        }
    }
}
