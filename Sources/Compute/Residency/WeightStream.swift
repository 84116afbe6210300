import Container
import Parallelism
import Platform
import Storage
import Synchronization

/// Weights in memory of the process's own. Some chunks stay in memory; the others are read ahead of use in each pass
/// over the layers and dropped after use.
///
/// Two threads read the chunks in the order of a pass, over and over, until `stop` is called. A product takes the
/// chunks of its matrices, which come next. Chunks that a pass skips, because it ends early, are dropped.
package final class WeightStream: Sendable {
    private enum Job {
        case stream(sequence: Int, chunk: Int, slot: Int)
        case pin(chunk: Int)
        case stop
    }

    static let readerCount = 4

    package let chunks: WeightChunks
    private let container: Container
    private let file: DirectFile
    private let isPinned: [Bool]
    /// The slots, followed by the chunks that stay: one range, so that huge pages suit as much of it as possible.
    private let memory: PageMemory
    private let pinnedOffsets: [Int]
    private let arrived: [Flag]
    private let arrivals: Condition<ArrivalState>
    private let readers: Readers

    private final class Flag: Sendable {
        let isSet = Atomic<Bool>(false)
    }

    // Set once, before the stream is shared.
    private final class Readers: @unchecked Sendable {
        var threads: [BackgroundThread<Void>] = []
    }

    /// Starts reading.
    ///
    /// - Parameters:
    ///   - isPinned: Which chunks stay in memory.
    ///   - slotCount: How many of the other chunks may be in memory at a time.
    /// - Throws: `file.unreadable`, `memory.exhausted`.
    package init(_ chunks: WeightChunks, in container: Container, isPinned: [Bool], slotCount: Int) throws {
        self.chunks = chunks
        self.container = container
        self.isPinned = isPinned
        file = try container.reopenedForReading()
        var offsets: [Int] = []
        var end = isPinned.allSatisfy(\.self) ? 0 : slotCount * chunks.slotByteCount
        for (chunk, isPinned) in zip(chunks.chunks, isPinned) {
            offsets.append(end)
            if isPinned { end += chunk.blocks.count }
        }
        pinnedOffsets = offsets
        memory = try PageMemory(byteCount: end)
        arrived = chunks.chunks.map { _ in Flag() }
        arrivals = Condition(ArrivalState(freeSlots: Array((0..<slotCount).reversed())))
        readers = Readers()
        readers.threads = try (0..<Self.readerCount).map { _ in
            try BackgroundThread.start { self.serve() }
        }
    }

    /// Ends the reading threads. They keep the stream alive until then.
    package func stop() {
        arrivals.change { $0.isStopped = true }
        for thread in readers.threads { _ = try? thread.join() }
        readers.threads = []
    }

    /// The cost of streaming so far.
    package var statistics: StreamStatistics { arrivals.withLock { $0.statistics } }

    // MARK: Products

    /// Calls `body`, which multiplies by every row of the matrices of `range` once.
    func pass(over range: Range<Int>, _ body: () throws -> Void) throws {
        arrivals.change { state in
            let sequence = state.sequence(of: range.lowerBound, count: chunks.chunks.count)
            state.skip(to: sequence)
        }
        do {
            try body()
        } catch {
            arrivals.change { $0.startAgain() }
            throw error
        }
        arrivals.change { $0.skip(to: $0.head + range.count) }
    }

    /// Lends the decoded bytes of a tile within a pass over its chunk. `body` multiplies by `rows` of its rows.
    ///
    /// - Throws: `file.read-failed`, the errors of the container's tiles, and what `body` throws.
    func withTile<Result>(
        _ tile: Int, ofChunk number: Int, rows: Int, scratch: TileScratch, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        guard !isPinned[number] else {
            try waitForPinned(number)
            return try withPinnedTile(tile, ofChunk: number, scratch: scratch, body)
        }
        let chunk = chunks.chunks[number]
        let (sequence, slot) = try waitForArrival(of: number)
        defer {
            let isFree = arrivals.withLock { $0.count(rows, of: sequence) }
            if isFree { arrivals.wakeAll() }
        }
        let index = tile - chunk.tiles[0].index
        let start = slot * chunks.slotByteCount
        let stored = chunk.tiles[index]
        if stored.codec == .stored {
            return try memory.withBytes(Self.range(of: stored, in: chunk, from: start), body)
        }
        let first = start + chunks.blocksByteCount + chunk.decodedOffsets[index]
        return try memory.withBytes(first..<first + stored.decodedByteCount, body)
    }

    /// Lends the decoded bytes of a tile at any time: from memory if it stays there, otherwise read for this call.
    func withTileAside<Result>(
        _ tile: StoredTile, of tensor: StoredTensor, scratch: TileScratch, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        if let range = chunks.range(of: tensor.name) {
            let number = chunks.chunks(ofTilesOf: tensor.name)[tile.index]
            if range.contains(number), isPinned[number], arrived[number].isSet.load(ordering: .acquiring) {
                return try withPinnedTile(tile.index, ofChunk: number, scratch: scratch, body)
            }
        }
        let stored = Int(tile.storedRange.lowerBound)..<Int(tile.storedRange.upperBound)
        let blocks = DirectFile.blocks(of: stored)
        let memory = try PageMemory(byteCount: blocks.count)
        try file.read(stored, into: memory.bytes(0..<blocks.count))
        arrivals.withLock { $0.statistics.readByteCount += UInt64(blocks.count) }
        let first = stored.lowerBound - blocks.lowerBound
        return try memory.withBytes(first..<first + stored.count) {
            try container.withTile(tile, of: tensor, stored: $0, scratch: scratch) { try body($0) }
        }
    }

    private func withPinnedTile<Result>(
        _ tile: Int, ofChunk number: Int, scratch: TileScratch, _ body: (RawSpan) throws -> Result
    ) throws -> Result {
        let chunk = chunks.chunks[number]
        let stored = chunk.tiles[tile - chunk.tiles[0].index]
        return try memory.withBytes(Self.range(of: stored, in: chunk, from: pinnedOffsets[number])) {
            try container.withTile(stored, of: chunk.tensor, stored: $0, scratch: scratch) { try body($0) }
        }
    }

    /// The stored bytes of a tile, where its chunk begins at `start`.
    static func range(of tile: StoredTile, in chunk: WeightChunk, from start: Int) -> Range<Int> {
        let first = start + Int(tile.storedRange.lowerBound) - chunk.blocks.lowerBound
        return first..<first + Int(tile.storedRange.upperBound - tile.storedRange.lowerBound)
    }

    private func waitForPinned(_ number: Int) throws {
        let flag = arrived[number]
        guard !flag.isSet.load(ordering: .acquiring) else { return }
        try stalling {
            arrivals.wait(until: { $0.failure != nil || flag.isSet.load(ordering: .acquiring) }) { $0.failure }
        }
    }

    private func waitForArrival(of number: Int) throws -> (sequence: Int, slot: Int) {
        let count = chunks.chunks.count
        var found: (sequence: Int, slot: Int)?
        // Usually it has arrived already.
        arrivals.withLock { state in
            let sequence = state.sequence(of: number, count: count)
            if let arrival = state.arrivals[sequence], arrival.isReady { found = (sequence, arrival.slot) }
        }
        if let found { return found }
        try stalling {
            arrivals.wait(until: { state in
                let sequence = state.sequence(of: number, count: count)
                return state.failure != nil || state.arrivals[sequence]?.isReady == true
            }) { state in
                let sequence = state.sequence(of: number, count: count)
                if let arrival = state.arrivals[sequence], arrival.isReady { found = (sequence, arrival.slot) }
                return found == nil ? state.failure : nil
            }
        }
        guard let found else { throw PVITError(.internalDefect, "a reader of weights ended early") }
        return found
    }

    /// Waits, counts the time, and throws the failure that ended the wait.
    private func stalling(_ wait: () -> PVITError?) throws {
        let start = MonotonicTime.now
        let failure = wait()
        let time = MonotonicTime.now - start
        arrivals.withLock { $0.statistics.stallTime += time }
        if let failure { throw failure }
    }

    // MARK: Readers

    private func serve() {
        let scratch = TileScratch()
        while true {
            switch arrivals.wait(until: { self.canTake($0) }, then: { self.take(&$0) }) {
            case .stop: return
            case .pin(let number):
                let result = Result { () throws(PVITError) in
                    try read(number, at: pinnedOffsets[number])
                }
                if case .success = result { arrived[number].isSet.store(true, ordering: .releasing) }
                arrivals.change { state in
                    state.pinning.remove(number)
                    state.note(result, of: chunks.chunks[number])
                }
            case .stream(let sequence, let number, let slot):
                let start = slot * chunks.slotByteCount
                let result = Result { () throws(PVITError) in
                    try read(number, at: start)
                    try decode(number, at: start, scratch)
                }
                arrivals.change { state in
                    state.note(result, of: chunks.chunks[number])
                    state.finish(sequence, isReady: (try? result.get()) != nil)
                }
            }
        }
    }

    /// Whether a reader has something to do.
    private func canTake(_ state: ArrivalState) -> Bool {
        if state.isStopped { return true }
        guard state.failure == nil, let next = next(in: state) else { return false }
        return isPinned[next % chunks.chunks.count] || !state.freeSlots.isEmpty
    }

    /// The next chunk at or after the cursor that has to be read, at most one pass ahead of the head.
    private func next(in state: ArrivalState) -> Int? {
        let count = chunks.chunks.count
        return (state.cursor..<max(state.head + count, state.cursor)).first { sequence in
            let chunk = sequence % count
            guard isPinned[chunk] else { return true }
            return !arrived[chunk].isSet.load(ordering: .acquiring) && !state.pinning.contains(chunk)
        }
    }

    private func take(_ state: inout ArrivalState) -> Job {
        guard !state.isStopped, let sequence = next(in: state) else { return .stop }
        state.cursor = sequence + 1
        let chunk = sequence % chunks.chunks.count
        if isPinned[chunk] {
            state.pinning.insert(chunk)
            return .pin(chunk: chunk)
        }
        let slot = state.freeSlots.removeLast()
        state.arrivals[sequence] = ArrivalState.Arrival(slot: slot, rowsLeft: chunks.chunks[chunk].rows.count)
        return .stream(sequence: sequence, chunk: chunk, slot: slot)
    }

    private func read(_ number: Int, at start: Int) throws(PVITError) {
        let chunk = chunks.chunks[number]
        do {
            try file.read(chunk.storedRange, into: memory.bytes(start..<start + chunk.blocks.count))
        } catch let error as PVITError {
            throw error.located(file: file.path, tensor: chunk.tensor.name)
        } catch {
            throw PVITError(.readFailed, "reading failed: \(error)", file: file.path, tensor: chunk.tensor.name)
        }
    }

    /// Verifies the tiles of a chunk when it arrives first, and decodes the compressed ones.
    private func decode(_ number: Int, at start: Int, _ scratch: TileScratch) throws(PVITError) {
        let chunk = chunks.chunks[number]
        do {
            for (index, tile) in chunk.tiles.enumerated() {
                try memory.withBytes(Self.range(of: tile, in: chunk, from: start)) { stored in
                    try container.withTile(tile, of: chunk.tensor, stored: stored, scratch: scratch) { content in
                        guard tile.codec != .stored else { return }
                        let first = start + chunks.blocksByteCount + chunk.decodedOffsets[index]
                        content.withUnsafeBytes {
                            memory.bytes(first..<first + tile.decodedByteCount).copyMemory(from: $0)
                        }
                    }
                }
            }
        } catch let error as PVITError {
            throw error
        } catch {
            throw PVITError(.internalDefect, "\(error)", file: file.path, tensor: chunk.tensor.name)
        }
    }
}
