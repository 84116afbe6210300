import LanguageModel
import Parallelism
import Platform
import PVITModel
import Storage
import Tensors

/// Owns the model and the thread that computes. Any thread submits requests and receives their events.
package final class InferenceService: Sendable {
    /// A prompt and how to answer it.
    struct Submission: Sendable {
        var prompt: ModelPrompt
        var options: GenerationOptions
        var ends: Set<TokenID>
        var continuesText = false
        var constraint: (any AnswerConstraint)?
    }

    /// An event of one of the answers to a request.
    struct Event: Sendable {
        /// Which answer it is.
        let index: Int
        let event: AnswerEvent
    }

    /// The events of a request's answers. Dropping the stream cancels them.
    typealias Events = AsyncStream<Event>

    /// Where the model is.
    enum Phase: Sendable {
        case loading
        case ready(ModelFacts)
        case failed(PVITError)
        case stopped
    }

    /// Opens the model, on the thread that will compute. Its engine must call the gate's `check`.
    package typealias Loader = @Sendable (ComputationGate) throws -> LoadedModel

    private struct Arrival: Sendable {
        let id: Int
        let submission: Submission
        let receive: @Sendable (AnswerEvent) -> Void
    }

    private struct State {
        var phase = Phase.loading
        var arrivals: [Arrival] = []
        /// The events of the answers that have not ended.
        var active: [Int: Events.Continuation] = [:]
        var nextID = 0
        var stops = false
        var status = InferenceStatus()
    }

    private let state = Condition(State())
    private let gate = ComputationGate()
    private let options: ServiceOptions

    package init(_ options: ServiceOptions) { self.options = options }

    /// The phase.
    var phase: Phase { state.withLock { $0.phase } }
    /// What has been done so far.
    var status: InferenceStatus { state.withLock { $0.status } }
    /// The number of requests that have not ended.
    var activeCount: Int { state.withLock { $0.active.count } }

    /// The model.
    ///
    /// - Throws: `service.loading`, `service.stopping`, or the error that prevented loading.
    func facts() throws -> ModelFacts {
        switch phase {
        case .loading: throw ServiceError.loading
        case .ready(let facts): return facts
        case .failed(let error): throw ServiceError(error, whileComputing: true)
        case .stopped: throw ServiceError.stopping
        }
    }

    /// Submits the answers of a request. Each gets its events until `end`.
    ///
    /// - Throws: `ServiceError.busy` if too many requests wait; `ServiceError.stopping`.
    func submit(_ submissions: [Submission]) throws -> Events {
        let (events, continuation) = Events.makeStream()
        let ids = try state.change { state in
            guard !state.stops else { throw ServiceError.stopping }
            guard state.active.count + submissions.count <= options.slotCount + options.queueLimit else {
                throw ServiceError.busy
            }
            let ids = submissions.indices.map { state.nextID + $0 }
            state.nextID += submissions.count
            for id in ids { state.active[id] = continuation }
            let ends = RemainingEnds(submissions.count)
            for (index, submission) in submissions.enumerated() {
                state.arrivals.append(
                    Arrival(id: ids[index], submission: submission) { event in
                        continuation.yield(Event(index: index, event: event))
                        if case .end = event, ends.isLast() { continuation.finish() }
                    })
            }
            return ids
        }
        continuation.onTermination = { [weak self] termination in
            if case .cancelled = termination { self?.cancel(ids) }
        }
        return events
    }

    /// Ends answers. Those that have ended already are not affected.
    private func cancel(_ ids: [Int]) {
        state.change { state in
            for id in ids where state.active.removeValue(forKey: id) != nil { gate.cancel(id) }
            state.arrivals.removeAll { ids.contains($0.id) }
        }
    }

    /// Makes the thread end. The events of answers that have not ended just finish.
    func stop() {
        let unfinished = state.change { state in
            state.stops = true
            for id in state.active.keys { gate.cancel(id) }
            defer { state.active = [:] }
            return Array(state.active.values)
        }
        for continuation in unfinished { continuation.finish() }
    }

    /// Refuses further requests.
    func drain() {
        state.change { $0.phase = .stopped }
    }

    /// Starts the thread, which loads the model and then computes, and waits until it ends.
    ///
    /// - Throws: What `load` throws.
    func run(_ load: @escaping Loader) async throws {
        let (ended, continuation) = AsyncStream<Void>.makeStream()
        let thread = try BackgroundThread.start { [self] in
            defer { continuation.finish() }
            // The threads that serve connections need the processor seldom, and at once.
            ThreadPriority.yieldToOthers()
            do {
                let model = try load(gate)
                let scheduler = try AnswerScheduler(
                    model, gate: gate, slotCount: options.slotCount, contextLength: options.contextLength,
                    storage: options.cacheStorage)
                publish(model, scheduler)
                run(scheduler)
            } catch let error as PVITError {
                state.change { $0.phase = .failed(error) }
                throw error
            }
        }
        for await _ in ended {}
        try thread.join()
    }

    private func publish(_ model: LoadedModel, _ scheduler: AnswerScheduler) {
        let configuration = model.llama.configuration
        let facts = ModelFacts(
            prompts: model.prompts, contextLength: scheduler.contextLength, slotCount: scheduler.slotCount,
            vocabularySize: configuration.vocabularySize, trainedLength: configuration.maximumPositions,
            constraintVocabulary: ConstraintVocabulary(model.tokenizer, size: configuration.vocabularySize))
        state.change { state in
            if case .loading = state.phase { state.phase = .ready(facts) }
        }
    }

    private func run(_ scheduler: AnswerScheduler) {
        scheduler.poll = { [self] in take(into: scheduler) }
        while true {
            let stops = state.wait(until: { $0.stops || !$0.arrivals.isEmpty || !scheduler.isIdle }) { $0.stops }
            guard !stops else { return }
            take(into: scheduler)
            scheduler.step()
            updateStatus(scheduler)
        }
    }

    /// Gives the requests that have arrived to the scheduler.
    private func take(into scheduler: AnswerScheduler) {
        let arrivals = state.withLock { state in
            defer { state.arrivals = [] }
            return state.arrivals
        }
        for arrival in arrivals {
            let submission = arrival.submission
            let receive: (AnswerEvent) -> Void = { [self] event in
                if case .end(let result) = event {
                    state.withLock { state in
                        state.active[arrival.id] = nil
                        if case .success(let answer) = result { state.status.count(answer) }
                    }
                }
                arrival.receive(event)
            }
            do {
                try scheduler.submit(
                    ScheduledRequest(
                        id: arrival.id, prompt: submission.prompt, options: submission.options, ends: submission.ends,
                        continuesText: submission.continuesText, constraint: submission.constraint, receive: receive))
            } catch {
                receive(.end(.failure(error)))
            }
        }
    }

    private func updateStatus(_ scheduler: AnswerScheduler) {
        state.withLock { state in
            state.status.running = scheduler.runningCount
            state.status.waiting = scheduler.waitingCount
            state.status.cacheByteCount = scheduler.cacheByteCount
        }
    }
}

/// Counts the answers of a request that have not ended.
private final class RemainingEnds: Sendable {
    private let count: Lock<Int>

    init(_ count: Int) { self.count = Lock(count) }

    /// Counts one end. Returns whether it was the last.
    func isLast() -> Bool {
        count.withLock { count in
            count -= 1
            return count == 0
        }
    }
}
