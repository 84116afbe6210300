import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A thread for one piece of work.
public final class BackgroundThread<Success: Sendable>: @unchecked Sendable {
    // `result` is written by the thread before it ends and read only after it was joined.
    private var result: Result<Success, any Error>?
    private let work: @Sendable () throws -> Success
    private let priority: Priority
    private var handle = pthread_t()

    /// How important the work is beside that of other threads.
    public enum Priority: Sendable {
        /// Others wait for it.
        case normal
        /// It may take longer when others have work too, where the system knows such a difference.
        case low
    }

    /// Starts the thread.
    ///
    /// - Throws: `internal.defect` when the system gives no thread.
    public static func start(
        priority: Priority, _ work: @escaping @Sendable () throws -> Success
    ) throws -> BackgroundThread {
        let thread = BackgroundThread(priority, work)
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

    private init(_ priority: Priority, _ work: @escaping @Sendable () throws -> Success) {
        self.priority = priority
        self.work = work
    }

    private func run() {
        #if canImport(Glibc)
            // On Linux the priority of "this process" is that of the calling thread.
            if priority == .low { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5) }
        #endif
        result = Result { try work() }
    }

    /// Waits for the end of the work and returns its result. To be called exactly once.
    public func join() throws -> Success {
        pthread_join(handle, nil)
        guard let result else { throw PVITError(.internalDefect, "a thread ended without a result") }
        return try result.get()
    }
}

private final class Start {
    let body: () -> Void

    init(body: @escaping () -> Void) { self.body = body }
}
