import Architectures
import LanguageModel

/// A sequence of the decoder together with what its cache holds.
final class CachedSequence {
    let sequence: LlamaSequence
    /// The input at each position of the cache.
    private(set) var positions: [ModelPrompt.Position] = []
    /// Whether a request uses the sequence.
    fileprivate(set) var isInUse = false
    /// The time of the last use, counted in uses.
    fileprivate var lastUse = 0

    fileprivate init(_ sequence: LlamaSequence) { self.sequence = sequence }

    /// The number of positions of a prompt that the cache holds. The last token is always read again, because its
    /// logits are needed.
    func commonCount(with prompt: ModelPrompt) -> Int {
        zip(positions, prompt.positions.dropLast()).prefix { $0 == $1 }.count
    }

    /// Records positions that the decoder has read.
    func confirm(_ read: some Sequence<ModelPrompt.Position>) { positions += read }

    /// Drops what the decoder wrote to the cache after the last confirmed position.
    func dropUnconfirmed() { sequence.cache.truncate(to: positions.count) }

    fileprivate func truncate(to count: Int) {
        positions.removeLast(positions.count - count)
        sequence.cache.truncate(to: count)
    }

    fileprivate func copy(_ count: Int, of other: CachedSequence) throws {
        try sequence.cache.copyPrefix(count, of: other.sequence.cache)
        positions = Array(other.positions.prefix(count))
    }
}

/// The sequences of a scheduler: those in use, and idle ones that are kept because a later prompt may begin alike.
///
/// All of them together hold no more positions than `slotCount` full contexts. Idle sequences are forgotten to make
/// room, the least recently used one first.
final class SequenceStore {
    /// The maximum number of positions in a sequence.
    let contextLength: Int
    private let configuration: LlamaConfiguration
    private let storage: KVCache.Storage
    private let slotCount: Int
    private var sequences: [CachedSequence] = []
    private var useCount = 0

    /// The number of idle sequences beside one for each slot. A sequence without positions takes only addresses.
    private static let idleCount = 16
    /// The number of positions that a sequence may lose when a request takes it over.
    private static let lostCount = 16
    /// The number of dropped positions from which their memory is given back.
    private static let releasedCount = 64

    /// - Throws: `model.cache` if contexts of that length are not possible.
    init(
        _ configuration: LlamaConfiguration, slotCount: Int, contextLength: Int, storage: KVCache.Storage
    ) throws {
        self.configuration = configuration
        self.slotCount = slotCount
        self.contextLength = contextLength
        self.storage = storage
        sequences = [try makeSequence()]
    }

    /// The number of positions that all sequences hold.
    var positionCount: Int { sequences.reduce(0) { $0 + $1.positions.count } }
    /// The size of a position, in bytes.
    var bytesPerPosition: Int { sequences.first.map { $0.sequence.cache.bytesPerPosition } ?? 0 }
    /// The maximum size of all keys and values, in bytes.
    var byteLimit: Int { bytesPerPosition * slotCount * contextLength }

    /// The number of positions of a prompt that some sequence holds.
    func knownCount(of prompt: ModelPrompt) -> Int { sequences.map { $0.commonCount(with: prompt) }.max() ?? 0 }

    /// Takes a sequence for a request. It holds as much of the prompt as any sequence does, and nothing else.
    ///
    /// - Throws: `model.cache` if there is no memory for another sequence.
    func take(for prompt: ModelPrompt) throws -> CachedSequence {
        let known = sequences.map { $0.commonCount(with: prompt) }
        let best = sequences.indices.max { known[$0] < known[$1] } ?? 0
        let target: CachedSequence
        // A sequence that would lose more than its last words is copied, so that its conversation can go on.
        if !sequences[best].isInUse, sequences[best].positions.count - known[best] <= Self.lostCount {
            target = sequences[best]
            drop(target, to: known[best])
        } else {
            target = try makeIdle(otherThan: sequences[best])
            makeRoom(for: known[best], keeping: sequences[best])
            try target.copy(known[best], of: sequences[best])
        }
        useCount += 1
        target.lastUse = useCount
        target.isInUse = true
        return target
    }

    /// Gives a sequence back. Its positions are kept until their memory is needed.
    func giveBack(_ sequence: CachedSequence) {
        sequence.dropUnconfirmed()
        sequence.isInUse = false
        useCount += 1
        sequence.lastUse = useCount
    }

    /// Forgets idle sequences until `count` more positions fit.
    func makeRoom(for count: Int, keeping kept: CachedSequence? = nil) {
        let limit = slotCount * contextLength
        while positionCount + count > limit {
            let idle = sequences.filter { !$0.isInUse && $0 !== kept && !$0.positions.isEmpty }
            guard let oldest = idle.min(by: { $0.lastUse < $1.lastUse }) else { return }
            drop(oldest, to: 0)
        }
    }

    /// An empty sequence that no request uses.
    private func makeIdle(otherThan kept: CachedSequence) throws -> CachedSequence {
        let idle = sequences.filter { !$0.isInUse && $0 !== kept }
        if let empty = idle.first(where: { $0.positions.isEmpty }) { return empty }
        if sequences.count < slotCount + Self.idleCount {
            let sequence = try makeSequence()
            sequences.append(sequence)
            return sequence
        }
        // There are many more sequences than slots, so one is idle.
        guard let oldest = idle.min(by: { $0.lastUse < $1.lastUse }) else { return try makeSequence() }
        drop(oldest, to: 0)
        return oldest
    }

    private func makeSequence() throws -> CachedSequence {
        CachedSequence(LlamaSequence(try KVCache(for: configuration, storage: storage, capacity: contextLength)))
    }

    private func drop(_ sequence: CachedSequence, to count: Int) {
        let dropped = sequence.positions.count - count
        sequence.truncate(to: count)
        if dropped >= Self.releasedCount { sequence.sequence.cache.releaseUnfilled() }
    }
}
