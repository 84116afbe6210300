import LanguageModel
import Logging
import Parallelism
import Platform
import PVITModel
import Storage
import Tensors

/// Owns the model and the thread that computes. Any thread submits requests and receives their events.
package final class InferenceService: Sendable {
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

    /// An answer that the thread has not taken yet.
    private struct Arrival: Sendable {
        let task: AnswerTask
        let id: Int
        /// The ids of all answers to the same request.
        let ids: Range<Int>
        let continuation: Events.Continuation
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
    private let metrics: ServiceMetrics
    private let logger: Logger

    init(_ options: ServiceOptions, _ metrics: ServiceMetrics, _ logger: Logger) {
        self.options = options
        self.metrics = metrics
        self.logger = logger
    }

    /// The phase.
    var phase: Phase { state.withLock { $0.phase } }
    /// What is being done.
    var status: InferenceStatus { state.withLock { $0.status } }
    /// The number of requests that have not ended.
    var activeCount: Int { state.withLock { $0.active.count } }

    /// The model.
    ///
    /// - Throws: `ServiceError.loading`, `ServiceError.stopping`, or the error that prevented loading.
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
    func submit(_ tasks: [AnswerTask]) throws -> Events {
        let (events, continuation) = Events.makeStream()
        let ids = try state.change { state in
            guard !state.stops else { throw ServiceError.stopping }
            guard state.active.count + tasks.count <= options.slotCount + options.queueLimit else {
                throw ServiceError.busy
            }
            let ids = state.nextID..<state.nextID + tasks.count
            state.nextID = ids.upperBound
            for (id, task) in zip(ids, tasks) {
                state.active[id] = continuation
                state.arrivals.append(Arrival(task: task, id: id, ids: ids, continuation: continuation))
            }
            return ids
        }
        continuation.onTermination = { [weak self] termination in
            if case .cancelled = termination { self?.cancel(ids) }
        }
        return events
    }

    /// Ends answers. Those that have ended already are not affected.
    private func cancel(_ ids: Range<Int>) {
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
            do {
                try scheduler.submit(arrival.task, id: arrival.id) { [self] in deliver($0, to: arrival) }
            } catch {
                deliver(.end(.failure(error)), to: arrival)
            }
        }
    }

    private func deliver(_ event: AnswerEvent, to arrival: Arrival) {
        var isLast = false
        if case .end(let result) = event {
            switch result {
            case .success(let answer): metrics.count(answer)
            case .failure(let error): logger.warning("an answer failed", metadata: ["error": "\(error)"])
            }
            isLast = state.withLock { state in
                state.active[arrival.id] = nil
                return !arrival.ids.contains { state.active[$0] != nil }
            }
        }
        arrival.continuation.yield(Event(index: arrival.id - arrival.ids.lowerBound, event: event))
        if isLast { arrival.continuation.finish() }
    }

    private func updateStatus(_ scheduler: AnswerScheduler) {
        state.withLock { state in
            state.status.running = scheduler.runningCount
            state.status.waiting = scheduler.waitingCount
            state.status.cacheByteCount = scheduler.cacheByteCount
        }
    }
}
