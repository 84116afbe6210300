import CPlatform

/// What the system does to the calling thread.
package enum ThreadPreemption {
    /// How often it has suspended the thread although there was work to do, because another one was given its
    /// processor. 0 where that is unknown.
    package static var count: UInt64 { pvit_thread_preemption_count() }
}
