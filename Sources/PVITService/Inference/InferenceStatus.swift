import PVITModel

/// What an inference service has done and is doing.
struct InferenceStatus: Sendable {
    /// The number of requests that are being answered.
    var running = 0
    /// The number of requests that wait for a slot.
    var waiting = 0
    /// The memory of keys and values that are kept, and its limit, in bytes.
    var cacheByteCount = (used: 0, limit: 0)
    /// The number of prompt tokens of all requests that have ended.
    var promptTokens = 0
    /// The number of those that were taken over from other requests.
    var reusedTokens = 0
    /// The number of tokens that were generated.
    var generatedTokens = 0
    /// The time that requests waited, read and answered, in seconds, added up over requests.
    var queueSeconds = 0.0
    var visionSeconds = 0.0
    var prefillSeconds = 0.0
    var decodeSeconds = 0.0

    mutating func count(_ answer: PoolAnswer) {
        promptTokens += answer.promptTokenCount
        reusedTokens += answer.reusedTokenCount
        generatedTokens += answer.tokens.count
        queueSeconds += answer.queueTime.seconds
        visionSeconds += answer.visionTimings.total.seconds
        prefillSeconds += answer.prefillTime.seconds
        decodeSeconds += answer.decodeTime.seconds
    }
}
