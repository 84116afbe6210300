import LanguageModel
import Platform
import Storage

/// Answers many requests in common passes through the layers.
///
/// Each pass reads one token of every answer that has begun, and a slice of the prompts that are still to be read
/// (chunked prefill, arXiv 2308.16369). An image is encoded layer by layer, with passes for the other requests in
/// between. So neither a long prompt nor an image stalls the others for long. A prompt's beginning is taken over from
/// any sequence that has read it. An answer has the same bits as if it were computed alone.
///
/// A scheduler belongs to one thread. Only its gate may be used by others.
package final class AnswerScheduler {
    /// The model.
    package let model: LoadedModel
    /// The maximum number of requests that are answered at a time.
    package let slotCount: Int
    /// Called while an image is encoded, to submit requests that have arrived.
    package var poll: () -> Void = {}
    private let gate: ComputationGate
    private let store: SequenceStore
    private var waiting: [PendingAnswer] = []
    private var running: [RunningAnswer] = []
    private var pace = PrefillPace()

    /// The length of a common prefix from which waiting until another request has read it takes less time than reading
    /// it again.
    private static let sharedCount = 16
    /// The maximum number of slots: the logits of a pass are computed in one block.
    package static let maximumSlotCount = 64

    /// Creates a scheduler.
    ///
    /// - Parameters:
    ///   - model: The model. Its engine calls `gate.check`, or requests are only cancelled between passes.
    ///   - gate: Cancels requests.
    ///   - slotCount: The number of requests to answer at a time, from 1 to `maximumSlotCount`.
    ///   - contextLength: The maximum number of positions for a prompt and its answer together. nil takes the memory
    ///     plan's, or the length that the model was trained for.
    ///   - storage: The type of keys and values. nil takes the memory plan's, or `f16`.
    /// - Throws: `model.cache` if contexts of that length are not possible.
    package init(
        _ model: LoadedModel, gate: ComputationGate = ComputationGate(), slotCount: Int, contextLength: Int? = nil,
        storage: KVCache.Storage? = nil
    ) throws {
        let (configuration, plan) = (model.llama.configuration, model.memoryPlan)
        self.model = model
        self.gate = gate
        self.slotCount = min(max(slotCount, 1), Self.maximumSlotCount)
        store = try SequenceStore(
            configuration, slotCount: self.slotCount,
            contextLength: contextLength ?? plan?.contextLength ?? configuration.maximumPositions,
            storage: storage ?? plan?.cacheStorage ?? .f16)
    }

    /// The maximum number of positions for a prompt and its answer together.
    package var contextLength: Int { store.contextLength }
    /// The number of requests that have a slot.
    package var runningCount: Int { running.count }
    /// The number of requests that wait for a slot.
    package var waitingCount: Int { waiting.count }
    /// Whether there is nothing to do.
    package var isIdle: Bool { running.isEmpty && waiting.isEmpty }
    /// The memory of keys and values that are kept, in bytes, and its limit.
    package var cacheByteCount: (used: Int, limit: Int) {
        (store.positionCount * store.bytesPerPosition, store.byteLimit)
    }

    /// Adds a request.
    ///
    /// - Parameters:
    ///   - task: What to answer.
    ///   - id: Identifies the request. No other request of the scheduler may have it.
    ///   - receive: Receives events, on the thread that calls the scheduler.
    /// - Throws: `model.context-full` if the prompt does not fit the context; `sampling.option`.
    package func submit(_ task: AnswerTask, id: Int, receive: @escaping (AnswerEvent) -> Void) throws {
        let count = task.prompt.tokens.count
        guard count <= contextLength else {
            throw PVITError.contextFull(
                count, capacity: contextLength, modelLength: model.llama.configuration.maximumPositions)
        }
        let answer = try Answer(
            to: task.prompt, task.options, ends: task.ends, continuesText: task.continuesText,
            constraint: task.constraint, model.tokenizer)
        waiting.append(PendingAnswer(id: id, answer: answer, receive: receive))
    }

    /// Drops all requests.
    package func cancelAll() {
        waiting = []
        for answer in running { store.giveBack(answer.cached) }
        running = []
    }

    /// Computes one pass, or encodes one image. Errors are delivered to the requests that they concern.
    package func step() {
        admit()
        if let answer = running.first(where: \.needsEncoding) { encode(answer) } else { pass() }
    }

    /// Gives sequences to waiting requests.
    private func admit(encoding: RunningAnswer? = nil) {
        removeCancelled(except: encoding)
        waiting = waiting.filter { pending in
            guard running.count < slotCount, !isBeingRead(pending.answer.prompt) else { return true }
            do {
                let answer = RunningAnswer(pending, try store.take(for: pending.answer.prompt))
                running.append(answer)
                if !answer.needsEncoding { answer.report() }
            } catch {
                pending.receive(.end(.failure(error)))
            }
            return false
        }
    }

    /// Whether a running request will soon have read a longer prefix of a prompt than any sequence holds.
    private func isBeingRead(_ prompt: ModelPrompt) -> Bool {
        let known = store.knownCount(of: prompt)
        return running.contains { other in
            let shared = other.prompt.commonCount(with: prompt)
            return shared >= known + Self.sharedCount && other.cached.positions.count < shared
        }
    }

    private func removeCancelled(except kept: RunningAnswer?) {
        let cancelled = gate.takeCancelled(except: kept?.id)
        guard !cancelled.isEmpty else { return }
        waiting.removeAll { cancelled.contains($0.id) }
        for answer in running where cancelled.contains(answer.id) { remove(answer) }
    }

    private func remove(_ answer: RunningAnswer, _ result: Result<PoolAnswer, any Error>? = nil) {
        running.removeAll { $0 === answer }
        store.giveBack(answer.cached)
        if let result { answer.receive(.end(result)) }
    }

    /// Encodes the image of a request and its regions, and computes passes for the others between the layers.
    private func encode(_ answer: RunningAnswer) {
        let id = answer.id
        // The memory plan of a single context has it fill after the image is encoded, not before.
        if slotCount == 1 { store.makeRoom(for: contextLength) }
        answer.receive(.prefill(.image))
        gate.begin([id])
        model.vision?.betweenLayers = { [self] in
            try gate.check()
            poll()
            admit(encoding: answer)
            pass()
        }
        defer {
            model.vision?.betweenLayers = {}
            gate.begin([])
        }
        do {
            try answer.encode(model)
            answer.report()
        } catch is ComputationGate.Interrupted {
            // The request was cancelled, and is removed before the next pass.
        } catch {
            remove(answer, .failure(error))
        }
    }

    /// Reads the next input of all running requests whose images are encoded.
    private func pass() {
        let batch = nextBatch()
        guard !batch.isEmpty else { return }
        let rowCount = batch.reduce(0) { $0 + $1.input.count }
        store.makeRoom(for: rowCount)
        // A pass that only decodes is short, so no cancellation ends it.
        let before = gate.begin(Set(batch.filter { $0.input.count > 1 }.map(\.answer.id)))
        defer { gate.begin(before) }
        let start = MonotonicTime.now
        do {
            try model.llama.forward(
                batch.map { SequenceInput($0.answer.cached.sequence, $0.input, logits: $0.logits) }
            ) { index, _, logits in batch[index].answer.draw(logits) }
        } catch is ComputationGate.Interrupted {
            for item in batch { item.answer.cached.dropUnconfirmed() }
            return
        } catch {
            for item in batch { remove(item.answer, .failure(error)) }
            return
        }
        pace.record(rowCount: rowCount, MonotonicTime.now - start)
        for item in batch {
            do {
                if let failure = item.answer.failure { throw failure }
                if try item.answer.advance(item.input.count) { remove(item.answer, .success(item.answer.result())) }
            } catch {
                remove(item.answer, .failure(error))
            }
        }
    }

    private typealias BatchItem = (answer: RunningAnswer, input: LlamaInput, logits: LogitsSelection)

    /// The input of the next pass. The prompts that are being read share a slice evenly.
    private func nextBatch() -> [BatchItem] {
        let reading = running.filter { !$0.isDecoding && !$0.needsEncoding }.sorted { $0.unreadCount < $1.unreadCount }
        let others = running.count - reading.count
        var room = min(pace.sliceCount(isAlone: running.count == 1), model.llama.batchSize - others)
        var batch: [BatchItem] = []
        for answer in running where answer.isDecoding {
            if let next = answer.nextInput(slice: 0) { batch.append((answer, next.input, next.logits)) }
        }
        for (index, answer) in reading.enumerated() {
            let share = (room + reading.count - index - 1) / (reading.count - index)
            guard let next = answer.nextInput(slice: share) else { continue }
            batch.append((answer, next.input, next.logits))
            room -= next.input.count
        }
        return batch
    }
}
