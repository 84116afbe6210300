import Tensors

/// What reading weights cost.
public struct StreamStatistics: Sendable, Hashable {
    /// Bytes read from the file.
    public internal(set) var readByteCount: UInt64
    /// How long threads that compute have waited for the readers, all together.
    public internal(set) var stallTime: Duration

    /// Nothing yet.
    public init(readByteCount: UInt64 = 0, stallTime: Duration = .zero) {
        self.readByteCount = readByteCount
        self.stallTime = stallTime
    }

    /// What came between two looks at a stream.
    public static func - (later: StreamStatistics, earlier: StreamStatistics) -> StreamStatistics {
        StreamStatistics(
            readByteCount: later.readByteCount - earlier.readByteCount,
            stallTime: later.stallTime - earlier.stallTime)
    }
}

/// Which chunks of a stream have come and which are wanted. Chunks are numbered through all passes: the `sequence`-th
/// one since the beginning is chunk `sequence % count`.
struct ArrivalState: Sendable {
    /// A chunk that is being read or was read.
    struct Arrival: Sendable {
        let slot: Int
        var isReady = false
        /// Nobody wants it any more; its slot is free when the reader is done with it.
        var isDropped = false
        /// Rows that have not been multiplied by.
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

    /// The next time from the head on that a chunk comes.
    func sequence(of chunk: Int, count: Int) -> Int { head + (chunk - head % count + count) % count }

    /// Goes on from `sequence`, at or after the head: what lies before is no longer wanted.
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

    /// Forgets what has come and what went wrong, and goes on from where the readers are.
    mutating func startAgain() {
        failure = nil
        skip(to: cursor)
    }

    /// Counts rows that were multiplied by; tells whether they were the last ones, which free the slot.
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

    /// Takes note that a reader is done with a chunk.
    mutating func finish(_ sequence: Int, isReady: Bool) {
        guard let arrival = arrivals[sequence] else { return }
        if isReady, !arrival.isDropped {
            arrivals[sequence]?.isReady = true
        } else {
            freeSlots.append(arrival.slot)
            arrivals[sequence] = nil
        }
    }

    /// Takes note of what reading `chunk` came to.
    mutating func note(_ result: Result<Void, PVITError>, of chunk: WeightChunk) {
        switch result {
        case .success: statistics.readByteCount += UInt64(chunk.blocks.count)
        case .failure(let error): failure = failure ?? error
        }
    }
}
