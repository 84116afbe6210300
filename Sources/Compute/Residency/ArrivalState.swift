import Storage

/// Which chunks of a stream have arrived and which are wanted. Chunks are numbered through all passes: number
/// `sequence` is chunk `sequence % count`.
struct ArrivalState: Sendable {
    /// A chunk that is being read or was read.
    struct Arrival: Sendable {
        let slot: Int
        var isReady = false
        /// It is no longer wanted. Its slot becomes free when the reader is done with it.
        var isDropped = false
        /// Rows that have not been multiplied by yet.
        var rowsLeft: Int
    }

    var freeSlots: [Int]
    var arrivals: [Int: Arrival] = [:]
    /// The first chunk that is still wanted.
    var head = 0
    /// The chunk that a reader takes next.
    var cursor = 0
    /// Chunks that stay in memory and are being read.
    var pinning: Set<Int> = []
    var failure: PVITError?
    var isStopped = false
    var statistics = StreamStatistics()

    init(freeSlots: [Int]) { self.freeSlots = freeSlots }

    /// The first number of a chunk at or after the head.
    func sequence(of chunk: Int, count: Int) -> Int { head + (chunk - head % count + count) % count }

    /// Moves the head to `sequence`. Chunks before it are no longer wanted.
    mutating func skip(to sequence: Int) {
        for (old, arrival) in arrivals where old < sequence {
            if arrival.isReady {
                freeSlots.append(arrival.slot)
                arrivals[old] = nil
            } else {
                arrivals[old]?.isDropped = true
            }
        }
        head = sequence
        cursor = max(cursor, sequence)
    }

    /// Drops the chunks that have arrived and the failure, and continues where the readers are.
    mutating func startAgain() {
        failure = nil
        skip(to: cursor)
    }

    /// Counts rows that were multiplied by.
    ///
    /// - Returns: Whether they were the last rows of the chunk, so that its slot is free.
    mutating func count(_ rows: Int, of sequence: Int) -> Bool {
        guard var arrival = arrivals[sequence] else { return false }
        arrival.rowsLeft -= rows
        guard arrival.rowsLeft <= 0 else {
            arrivals[sequence] = arrival
            return false
        }
        freeSlots.append(arrival.slot)
        arrivals[sequence] = nil
        return true
    }

    /// Records that a reader is done with a chunk.
    mutating func finish(_ sequence: Int, isReady: Bool) {
        guard let arrival = arrivals[sequence] else { return }
        if isReady, !arrival.isDropped {
            arrivals[sequence]?.isReady = true
        } else {
            freeSlots.append(arrival.slot)
            arrivals[sequence] = nil
        }
    }

    /// Records the result of reading `chunk`.
    mutating func note(_ result: Result<Void, PVITError>, of chunk: WeightChunk) {
        switch result {
        case .success: statistics.readByteCount += UInt64(chunk.blocks.count)
        case .failure(let error): failure = failure ?? error
        }
    }
}
