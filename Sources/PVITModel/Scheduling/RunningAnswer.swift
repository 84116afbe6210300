import LanguageModel
import Platform
import Tensors

/// A request of a scheduler that has a sequence, and the answer to it as far as it has come.
final class RunningAnswer {
    let id: Int
    let receive: (AnswerEvent) -> Void
    let cached: CachedSequence
    /// The number of positions of the prompt that the sequence held when the request got it.
    let reusedCount: Int
    /// Whether the image or regions must be encoded before the prompt can be read.
    private(set) var needsEncoding: Bool
    /// The error that the next token could not be drawn for.
    private(set) var failure: (any Error)?

    private var answer: Answer
    /// The input at the positions from `reusedCount` on; nil until it is encoded.
    private var input: LlamaInput?
    private var vision = VisionTimings()
    private let submitted: MonotonicTime
    private let started = MonotonicTime.now
    private var firstToken: MonotonicTime?

    init(_ pending: PendingAnswer, _ cached: CachedSequence) {
        id = pending.id
        receive = pending.receive
        answer = pending.answer
        submitted = pending.submitted
        self.cached = cached
        reusedCount = cached.positions.count
        let prompt = answer.prompt
        needsEncoding = prompt.showsImage(from: reusedCount)
        if !needsEncoding { input = .tokens(Array(prompt.tokens[reusedCount...])) }
    }

    var prompt: ModelPrompt { answer.prompt }
    /// The number of positions of the prompt that are still to be read.
    var unreadCount: Int { max(prompt.positions.count - cached.positions.count, 0) }
    /// Whether the answer has begun, so each pass reads the token drawn last.
    var isDecoding: Bool { unreadCount == 0 }

    /// Encodes the image and its regions.
    func encode(_ model: LoadedModel) throws {
        (input, vision) = try model.input(for: prompt, from: reusedCount)
        needsEncoding = false
    }

    /// The input of the next pass: at most `slice` positions of the prompt, or the token drawn last.
    func nextInput(slice: Int) -> (input: LlamaInput, logits: LogitsSelection)? {
        guard !isDecoding else { return (.tokens(Array(answer.history.suffix(1))), .last) }
        guard let input, slice > 0 else { return nil }
        let first = cached.positions.count - reusedCount
        let end = min(first + slice, input.count)
        return (input.slice(first..<end), end == input.count ? .last : .none)
    }

    /// Draws the next token.
    func draw(_ logits: Span<Float>) {
        do {
            if answer.reason == nil { _ = try answer.draw(logits) }
        } catch {
            failure = error
        }
    }

    /// Records that a pass has read `count` positions, and emits the text that is final. Returns whether the answer has
    /// ended.
    func advance(_ count: Int) throws -> Bool {
        if isDecoding {
            // The token drawn in this pass is not in the cache yet.
            cached.confirm(answer.history.suffix(2).dropLast().map { .token($0) })
        } else {
            let first = cached.positions.count
            cached.confirm(prompt.positions[first..<first + count])
            guard isDecoding else {
                report()
                return false
            }
            firstToken = MonotonicTime.now
            input = nil
        }
        if answer.reason == nil, cached.sequence.cache.count == cached.sequence.cache.capacity { answer.end(.context) }
        try emit()
        return answer.reason != nil
    }

    /// Emits the text that is final. Log probabilities wait for the text that their tokens belong to.
    private func emit() throws {
        var text = ""
        try answer.flush { text += $0 }
        guard !text.isEmpty || answer.reason != nil else { return }
        let logprobs = answer.takeLogprobs()
        if !text.isEmpty || !logprobs.isEmpty { receive(.text(text, logprobs)) }
    }

    /// Reports how much of the prompt has been read.
    func report() {
        let total = prompt.positions.count
        receive(.prefill(.tokens(cached.positions.count, of: total)))
    }

    /// The answer, with statistics. It must have ended.
    func result() -> PoolAnswer {
        let now = MonotonicTime.now
        let decodeStart = firstToken ?? now
        return PoolAnswer(
            text: answer.text, tokens: Array(answer.tokens), promptTokenCount: prompt.tokens.count,
            reusedTokenCount: reusedCount, cutTokenCount: prompt.cutTokenCount,
            stopReason: answer.reason ?? .length, queueTime: started - submitted, visionTimings: vision,
            prefillTime: decodeStart - started - vision.total, decodeTime: now - decodeStart)
    }
}

/// A request that waits for a sequence.
struct PendingAnswer {
    let id: Int
    let answer: Answer
    let receive: (AnswerEvent) -> Void
    let submitted = MonotonicTime.now
}
