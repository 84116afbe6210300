import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Writes to a pipe: if its reader has gone, throws `Errno.brokenPipe` instead of ending the process with SIGPIPE.
package func withoutBrokenPipeSignal<Result>(_ write: () throws -> Result) throws -> Result {
    var brokenPipe = sigset_t()
    var before = sigset_t()
    sigemptyset(&brokenPipe)
    sigaddset(&brokenPipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &brokenPipe, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    do {
        return try write()
    } catch Errno.brokenPipe {
        // The signal is pending for this thread: take it before it is unblocked.
        var atOnce = timespec()
        while sigtimedwait(&brokenPipe, nil, &atOnce) < 0, errno == EINTR {}
        throw Errno.brokenPipe
    }
}
