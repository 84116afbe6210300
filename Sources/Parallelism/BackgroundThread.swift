import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A thread that computes one result.
package final class BackgroundThread<Success: Sendable>: @unchecked Sendable {
    // `result` is written by the thread before it ends and read only after it was joined.
    private var result: Result<Success, any Error>?
    private let work: @Sendable () throws -> Success
    private var handle = pthread_t()

    /// Starts the thread.
    ///
    /// - Throws: `internal.defect` if the system cannot start a thread.
    package static func start(_ work: @escaping @Sendable () throws -> Success) throws -> BackgroundThread {
        let thread = BackgroundThread(work)
        let context = Unmanaged.passRetained(Start(body: { thread.run() }))
        let status = pthread_create(
            &thread.handle, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                start.body()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw PVITError(.internalDefect, "no thread could be started: error \(status)")
        }
        return thread
    }

    /// Starts a thread that nobody waits for.
    ///
    /// - Throws: `internal.defect` if the system cannot start a thread.
    package static func detach(_ work: @escaping @Sendable () -> Void) throws where Success == Void {
        let thread = try start(work)
        pthread_detach(thread.handle)
    }

    private init(_ work: @escaping @Sendable () throws -> Success) {
        self.work = work
    }

    private func run() {
        result = Result { try work() }
    }

    /// Waits for the end of the work and returns its result. To be called exactly once.
    package func join() throws -> Success {
        pthread_join(handle, nil)
        guard let result else { throw PVITError(.internalDefect, "a thread ended without a result") }
        return try result.get()
    }
}

private final class Start {
    let body: () -> Void

    init(body: @escaping () -> Void) { self.body = body }
}
