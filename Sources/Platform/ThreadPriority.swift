#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The priority of the calling thread.
package enum ThreadPriority {
    /// Makes the calling thread, and those that it starts, give way to other threads of the program that wake up for a
    /// moment. Nothing changes if the system does not allow it.
    package static func yieldToOthers() {
        // On Linux, priorities are those of threads, and 0 is the calling one.
        #if os(Linux)
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
        #endif
    }
}
