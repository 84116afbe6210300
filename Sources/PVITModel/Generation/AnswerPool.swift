import Architectures
import LanguageModel
import Storage
import Tensors
import Tokenization
import Vision

/// A conversation for an `AnswerPool` to answer, which may be about an image.
package struct PoolRequest {
    /// Identifies the request in the results.
    package let number: Int
    /// The conversation.
    package let messages: [ChatMessage]
    /// The image that the conversation is about.
    package let image: PreparedImage?
    /// How to answer. A pool ignores `overflow` and `speculation`: an answer ends when the context is full.
    package let options: GenerationOptions

    /// Creates a request.
    package init(
        number: Int, messages: [ChatMessage], image: PreparedImage? = nil,
        options: GenerationOptions = GenerationOptions()
    ) {
        self.number = number
        self.messages = messages
        self.image = image
        self.options = options
    }
}

/// An answer of a pool.
package struct PoolAnswer: Sendable {
    /// The text.
    package let text: String
    /// The generated tokens, including the one that ended the answer.
    package let tokens: [TokenID]
    /// The number of tokens in the prompt.
    package let promptTokenCount: Int
    /// The number of prompt tokens that were taken over from another request.
    package let reusedTokenCount: Int
    /// The number of tokens cut from the start of the prompt to make room for the answer.
    package let cutTokenCount: Int
    /// Why the answer ended.
    package let stopReason: StopReason
    /// The time until the request got a slot.
    package let queueTime: Duration
    /// The time to encode the image and its regions, with the passes for other requests in between.
    package let visionTimings: VisionTimings
    /// The time from there, encoding excluded, until the first token was drawn.
    package let prefillTime: Duration
    /// The time from the first token to the end of the answer.
    package let decodeTime: Duration
}

/// Answers many requests in a batch of slots.
///
/// Each pass through the layers reads one token of every running answer and the prompts of new requests. When an answer
/// ends, its slot takes the next request. The answers are the same as `Generator`'s.
package final class AnswerPool {
    /// The model.
    package var model: LoadedModel { scheduler.model }
    /// The maximum number of positions for a prompt and its answer together.
    package var contextLength: Int { scheduler.contextLength }
    private let scheduler: AnswerScheduler

    /// Creates a pool.
    ///
    /// - Parameters:
    ///   - count: The number of slots, from 1 to 64.
    ///   - contextLength: The maximum number of positions in a slot. nil takes the memory plan's, or the length that
    ///     the model was trained for.
    ///   - storage: The type of keys and values. nil takes the memory plan's, or `f16`.
    /// - Throws: `model.cache` if contexts of that length are not possible.
    package init(
        _ model: LoadedModel, count: Int, contextLength: Int? = nil, storage: KVCache.Storage? = nil
    ) throws {
        scheduler = try AnswerScheduler(model, slotCount: count, contextLength: contextLength, storage: storage)
    }

    /// Answers requests until there are no more.
    ///
    /// - Parameters:
    ///   - next: Returns the next request, or nil if there are no more. Called whenever a slot is free.
    ///   - eachPass: Called before each pass through the layers. If it throws, all answers are abandoned.
    ///   - finish: Receives the number of a request and its answer, or the error that prevented one. Answers arrive in
    ///     the order in which they end.
    /// - Throws: What `next`, `eachPass` and `finish` throw.
    package func answer(
        next: () throws -> PoolRequest?, eachPass: () throws -> Void = {},
        finish: (_ number: Int, Result<PoolAnswer, any Error>) throws -> Void
    ) throws {
        defer { scheduler.cancelAll() }
        let results = PoolResults()
        // Requests may have equal numbers, but not equal ids.
        var id = 0
        var hasMore = true
        while true {
            while hasMore, scheduler.runningCount + scheduler.waitingCount < scheduler.slotCount {
                guard let request = try next() else {
                    hasMore = false
                    break
                }
                id += 1
                do {
                    try submit(request, id: id, results)
                } catch {
                    try finish(request.number, .failure(error))
                }
            }
            guard !scheduler.isIdle else { return }
            try eachPass()
            scheduler.step()
            for (number, result) in results.take() { try finish(number, result) }
        }
    }

    private func submit(_ request: PoolRequest, id: Int, _ results: PoolResults) throws {
        let room = PromptRoom(contextLength: contextLength, request.options)
        let prompt = try model.prompt(of: request.messages, image: request.image, room: room)
        let turn = try model.prompts.turn(request.options)
        try scheduler.submit(AnswerTask(prompt: prompt, options: turn.options, ends: turn.ends), id: id) { event in
            if case .end(let result) = event { results.append(request.number, result) }
        }
    }
}

/// The answers that ended in a pass.
private final class PoolResults {
    private var results: [(number: Int, result: Result<PoolAnswer, any Error>)] = []

    func append(_ number: Int, _ result: Result<PoolAnswer, any Error>) { results.append((number, result)) }

    func take() -> [(number: Int, result: Result<PoolAnswer, any Error>)] {
        defer { results = [] }
        return results
    }
}
