/// What an inference service is doing.
struct InferenceStatus: Sendable {
    /// The number of requests that are being answered.
    var running = 0
    /// The number of requests that wait for a slot.
    var waiting = 0
    /// The memory of keys and values that are kept, and its limit, in bytes.
    var cacheByteCount = (used: 0, limit: 0)
}
