import FoundationEssentials
import LanguageModel
import PVITModel
import Storage

/// How answers are written: as chat completions, or as text completions.
struct CompletionFormat: Sendable {
    /// The two kinds of completions of OpenAI's API.
    enum Kind: Sendable {
        case chat
        case text
    }

    let kind: Kind
    let model: String
    let logprobs: LogprobsJSON
    private let id: String
    private let created = Int(Date().timeIntervalSince1970)

    init(_ kind: Kind, model: String, logprobs: LogprobsJSON) {
        self.kind = kind
        self.model = model
        self.logprobs = logprobs
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        id = (kind == .chat ? "chatcmpl-" : "cmpl-") + digits
    }

    private func head(isChunk: Bool) -> JSONObject {
        let object =
            switch kind {
            case .chat: isChunk ? "chat.completion.chunk" : "chat.completion"
            case .text: "text_completion"
            }
        return [
            "id": .string(id), "object": .string(object), "created": .integer(created), "model": .string(model),
        ]
    }

    /// The first chunk of an answer, which names the role; nil for text completions.
    func openingChunk(_ index: Int) -> JSONValue? {
        guard kind == .chat else { return nil }
        return .object(chunk(index, delta: ["role": "assistant", "content": ""], text: "", logprobs: nil, finish: nil))
    }

    /// A chunk of text.
    func chunk(_ index: Int, text: String, logprobs list: [TokenLogprobs], offset: Int) -> JSONValue {
        let logprobs: JSONValue? =
            list.isEmpty ? nil : kind == .chat ? logprobs.chat(list) : logprobs.text(list, offset: offset)
        return .object(chunk(index, delta: ["content": .string(text)], text: text, logprobs: logprobs, finish: nil))
    }

    /// The last chunk of an answer.
    func closingChunk(_ index: Int, _ answer: PoolAnswer) -> JSONValue {
        var object = chunk(index, delta: [:], text: "", logprobs: nil, finish: answer.stopReason)
        object["timings"] = Self.timings(answer)
        return .object(object)
    }

    private func chunk(
        _ index: Int, delta: JSONObject, text: String, logprobs: JSONValue?, finish: StopReason?
    ) -> JSONObject {
        var choice: JSONObject = ["index": .integer(index)]
        if kind == .chat { choice["delta"] = .object(delta) } else { choice["text"] = .string(text) }
        choice["logprobs"] = logprobs ?? .null
        choice["finish_reason"] = finish.map(Self.finishReason) ?? .null
        var object = head(isChunk: true)
        object["choices"] = .array([.object(choice)])
        return object
    }

    /// A chunk that tells how much of the prompt has been read.
    ///
    /// - Parameters:
    ///   - step: nil while the request waits for a slot.
    ///   - cachedCount: The number of prompt tokens that were taken over from earlier requests.
    func progressChunk(_ step: PrefillStep?, cachedCount: Int? = nil) -> JSONValue {
        var progress: JSONObject
        switch step {
        case nil: progress = ["phase": "queued"]
        case .image: progress = ["phase": "image"]
        case .tokens(let count, let total):
            progress = ["phase": "tokens", "processed": .integer(count), "total": .integer(total)]
            if let cachedCount { progress["cached"] = .integer(cachedCount) }
        }
        var object = head(isChunk: true)
        object["choices"] = []
        object["prompt_progress"] = .object(progress)
        return .object(object)
    }

    /// The chunk with the token counts at the end of a stream.
    func usageChunk(_ answers: [PoolAnswer], choiceCount: Int) -> JSONValue {
        var object = head(isChunk: true)
        object["choices"] = []
        object["usage"] = Self.usage(answers, choiceCount: choiceCount)
        return .object(object)
    }

    /// The whole response.
    ///
    /// - Parameter answers: The answers with what was emitted of them, in the order of their index.
    func response(_ answers: [CollectedAnswer], choiceCount: Int) -> JSONValue {
        var object = head(isChunk: false)
        object["choices"] = .array(
            answers.enumerated().map { index, answer in
                var choice: JSONObject = ["index": .integer(index)]
                let list: JSONValue?
                switch kind {
                case .chat:
                    choice["message"] = ["role": "assistant", "content": .string(answer.text), "refusal": .null]
                    list = answer.reportsLogprobs ? logprobs.chat(answer.logprobs) : nil
                case .text:
                    choice["text"] = .string(answer.echo + answer.text)
                    list = answer.reportsLogprobs ? logprobs.text(answer.logprobs, offset: 0) : nil
                }
                choice["logprobs"] = list ?? .null
                choice["finish_reason"] = Self.finishReason(answer.result.stopReason)
                return .object(choice)
            })
        object["usage"] = Self.usage(answers.map(\.result), choiceCount: choiceCount)
        if let first = answers.first { object["timings"] = Self.timings(first.result) }
        return .object(object)
    }

    private static func finishReason(_ reason: StopReason) -> JSONValue {
        switch reason {
        case .eos, .stop: "stop"
        case .length, .context: "length"
        }
    }

    /// Token counts. The prompt of several choices counts once.
    private static func usage(_ answers: [PoolAnswer], choiceCount: Int) -> JSONValue {
        let prompts = stride(from: 0, to: answers.count, by: max(choiceCount, 1)).map { answers[$0] }
        let promptCount = prompts.reduce(0) { $0 + $1.promptTokenCount }
        let answerCount = answers.reduce(0) { $0 + $1.tokens.count }
        return [
            "prompt_tokens": .integer(promptCount), "completion_tokens": .integer(answerCount),
            "total_tokens": .integer(promptCount + answerCount),
            "prompt_tokens_details": ["cached_tokens": .integer(prompts.reduce(0) { $0 + $1.reusedTokenCount })],
        ]
    }

    /// How long an answer took, with the names of llama.cpp's server.
    private static func timings(_ answer: PoolAnswer) -> JSONValue {
        func milliseconds(_ time: Duration) -> JSONValue { .number((time.seconds * 1e6).rounded() / 1e3) }
        func rate(_ count: Int, _ time: Duration) -> JSONValue {
            .number(time.seconds > 0 ? (Double(count) / time.seconds * 100).rounded() / 100 : 0)
        }
        let read = answer.promptTokenCount - answer.reusedTokenCount
        let drawn = max(answer.tokens.count - 1, 0)
        return [
            "queue_ms": milliseconds(answer.queueTime), "cache_n": .integer(answer.reusedTokenCount),
            "prompt_n": .integer(read), "prompt_ms": milliseconds(answer.prefillTime),
            "prompt_per_second": rate(read, answer.prefillTime),
            "vision_ms": milliseconds(answer.visionTimings.total), "predicted_n": .integer(answer.tokens.count),
            "predicted_ms": milliseconds(answer.decodeTime), "predicted_per_second": rate(drawn, answer.decodeTime),
        ]
    }
}

/// An answer as it was emitted.
struct CollectedAnswer: Sendable {
    /// The prompt, if the answer begins with it.
    var echo = ""
    var text = ""
    var logprobs: [TokenLogprobs] = []
    var reportsLogprobs = false
    let result: PoolAnswer
}
