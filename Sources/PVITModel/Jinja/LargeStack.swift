import Storage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs deeply recursive work on a thread of its own, because the current one may have little stack left.
enum LargeStack {
    /// The size of the stack. Only the pages that are used take memory.
    private static let byteCount = 64 << 20

    private final class Work {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Runs the work and waits for it.
    ///
    /// - Throws: What the work throws; `internal.defect` if no thread can be created.
    static func run<Result>(_ body: () throws -> Result) throws -> Result {
        var result: Swift.Result<Result, any Error>?
        try withoutActuallyEscaping(body) { body in
            let work = Work { result = Swift.Result { try body() } }
            var attributes = pthread_attr_t()
            unsafe pthread_attr_init(&attributes)
            defer { unsafe pthread_attr_destroy(&attributes) }
            unsafe pthread_attr_setstacksize(&attributes, byteCount)
            var thread = pthread_t()
            let status = unsafe pthread_create(
                &thread, &attributes,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    unsafe Unmanaged<Work>.fromOpaque(argument).takeUnretainedValue().body()
                    return nil
                }, Unmanaged.passUnretained(work).toOpaque())
            guard status == 0 else {
                throw PVITError(.internalDefect, "no thread could be created: error \(status)")
            }
            pthread_join(thread, nil)
            withExtendedLifetime(work) {}
        }
        guard let result else { throw PVITError(.internalDefect, "a thread ended without a result") }
        return try result.get()
    }
}
