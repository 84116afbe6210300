import Hummingbird
import LanguageModel
import PVITModel
import Storage

/// Computes the answers to a request and sends them, streamed or at once.
struct CompletionRunner: Sendable {
    let inference: InferenceService
    let timeout: Duration
    let format: CompletionFormat
    let parameters: GenerationParameters
    /// The texts that answers begin with: one for each answer, or none.
    var echoes: [String] = []

    /// Submits the answers and sends them.
    ///
    /// - Throws: A `ServiceError` if nothing was sent yet.
    func run(_ tasks: [AnswerTask], _ context: ServiceContext) async throws -> Response {
        let events = try inference.submit(tasks)
        guard parameters.streams else {
            let answers = try await collect(events, count: tasks.count, context)
            return Response(format.response(answers, choiceCount: parameters.choiceCount))
        }
        let count = tasks.count
        return EventStream(format: .serverSentEvents).response(context) { output in
            do {
                try await withDeadline(timeout) { try await send(events, count: count, to: output) }
            } catch is CancellationError {
            } catch {
                output.yield(.json(ServiceError(error, whileComputing: true).json))
            }
        }
    }

    private func send(
        _ events: InferenceService.Events, count: Int, to output: AsyncStream<EventStream.Item>.Continuation
    ) async throws {
        if parameters.reportsProgress { output.yield(.json(format.progressChunk(nil))) }
        for index in 0..<count {
            if let chunk = format.openingChunk(index) { output.yield(.json(chunk)) }
            if let echo = echoes.dropFirst(index).first, !echo.isEmpty {
                output.yield(.json(format.chunk(index, text: echo, logprobs: [], offset: 0)))
            }
        }
        var results: [Int: PoolAnswer] = [:]
        var offsets = [Int](repeating: 0, count: count)
        var cachedCount: Int?
        for await item in events {
            switch item.event {
            case .prefill(let step):
                guard parameters.reportsProgress, item.index == 0 else { continue }
                // The first report comes before anything is read.
                if case .tokens(let read, _) = step { cachedCount = cachedCount ?? read }
                output.yield(.json(format.progressChunk(step, cachedCount: cachedCount)))
            case .text(let text, let logprobs):
                let chunk = format.chunk(item.index, text: text, logprobs: logprobs, offset: offsets[item.index])
                output.yield(.json(chunk))
                offsets[item.index] += text.count
            case .end(let result):
                let answer = try result.get()
                results[item.index] = answer
                output.yield(.json(format.closingChunk(item.index, answer)))
            }
        }
        try Task.checkCancellation()
        guard results.count == count else { throw ServiceError.stopping }
        if parameters.includesUsage {
            let answers = (0..<count).compactMap { results[$0] }
            output.yield(.json(format.usageChunk(answers, choiceCount: parameters.choiceCount)))
        }
        output.yield(.done)
    }

    private func collect(
        _ events: InferenceService.Events, count: Int, _ context: ServiceContext
    ) async throws -> [CollectedAnswer] {
        let reportsLogprobs = parameters.options.logprobCount != nil
        let collecting = Task {
            try await withDeadline(timeout) {
                var texts = [String](repeating: "", count: count)
                var logprobs = [[TokenLogprobs]](repeating: [], count: count)
                var results: [Int: PoolAnswer] = [:]
                for await item in events {
                    switch item.event {
                    case .prefill: continue
                    case .text(let text, let list):
                        texts[item.index] += text
                        logprobs[item.index] += list
                    case .end(let result): results[item.index] = try result.get()
                    }
                }
                try Task.checkCancellation()
                guard results.count == count else { throw ServiceError.stopping }
                return (0..<count).compactMap { index in
                    results[index].map { result in
                        CollectedAnswer(
                            echo: echoes.dropFirst(index).first ?? "", text: texts[index], logprobs: logprobs[index],
                            reportsLogprobs: reportsLogprobs, result: result)
                    }
                }
            }
        }
        let disconnection = context.whenDisconnected { collecting.cancel() }
        defer { disconnection.end() }
        do {
            return try await collecting.valueOrCancelled
        } catch is CancellationError {
            throw ServiceError(HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request"), "the client left")
        } catch {
            throw ServiceError(error, whileComputing: true)
        }
    }
}
