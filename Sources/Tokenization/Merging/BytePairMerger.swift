/// A vocabulary entry or a character, as merging sees it.
///
/// Numbers below 2³¹ are token ids. A character that is not a token is `character` + its scalar value. SentencePiece's
/// merges can still use it.
typealias Symbol = UInt32

/// Byte-pair encoding (Sennrich et al., arXiv 1508.07909): applies merges to a sequence of symbols, the best first, of
/// equals the leftmost. Like SentencePiece, it uses a priority queue over linked symbols.
///
/// `sentencepiece` ranks a merge by the score of the piece that it makes, `tokenizers` by its line in the list of
/// merges. Complexity: O(n log n) for n symbols.
struct BytePairMerger: Sendable {
    /// The first symbol that is a character and not a token.
    static let character: Symbol = 0x8000_0000
    /// Runs of up to this many symbols are merged by scanning, which is faster than the queue while everything fits a
    /// few cache lines.
    private static let scanLimit = 24
    private static let none = UInt64.max

    /// How merges are looked up.
    enum Merges: Sendable {
        /// In a list.
        case listed(MergeTable)
        /// Among the pieces: two symbols merge if their joint text is one.
        case pieces(PieceMerges)
    }

    private let merges: Merges
    private let bridges: PairFilter?

    /// Creates a merger.
    ///
    /// - Parameters:
    ///   - merges: The merges.
    ///   - bridges: At least all pairs of initial symbols that a merge can bring together: the last one of its left
    ///     side and the first one of its right side. The text is cut between all other neighbours, because no merge can
    ///     cross them. Nil if any pair is possible.
    init(merges: Merges, bridges: PairFilter?) {
        self.merges = merges
        self.bridges = bridges
    }

    /// The key of a pair of neighbours.
    static func pair(_ left: Symbol, _ right: Symbol) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

    /// `rank << 32 | merged symbol`, or `none`.
    private func merge(of left: Symbol, _ right: Symbol, _ memory: inout MergeMemory) -> UInt64 {
        switch merges {
        case .listed(let table): return table.merge(of: left, right) ?? Self.none
        case .pieces(let pieces):
            return memory.value(of: Self.pair(left, right)) { text in
                pieces.merge(of: left, right, text: &text) ?? Self.none
            }
        }
    }

    /// Merges `symbols` and appends what remains to `output`.
    func merge(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        if case .pieces = merges { scratch.memory.prepare(forCount: symbols.count) }
        guard let bridges else { return mergeRun(symbols, scratch: &scratch, into: &output) }
        var start = 0
        for position in symbols.indices {
            let next = position + 1
            if next == symbols.count || !bridges.mayContain(symbols[position], symbols[next]) {
                mergeRun(symbols.extracting(start..<next), scratch: &scratch, into: &output)
                start = next
            }
        }
    }

    private func mergeRun(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        switch symbols.count {
        case 0: break
        case 1: output.append(symbols[0])
        case ...Self.scanLimit: mergeByScanning(symbols, scratch: &scratch, into: &output)
        default: mergeByQueue(symbols, scratch: &scratch, into: &output)
        }
    }

    private func mergeByScanning(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.pending.removeAll(keepingCapacity: true)
        for position in symbols.indices {
            let next = position + 1
            scratch.symbols.append(symbols[position])
            scratch.pending.append(
                next < symbols.count ? merge(of: symbols[position], symbols[next], &scratch.memory) : Self.none)
        }
        while true {
            var best = Self.none
            var position = 0
            for candidate in scratch.pending.indices where scratch.pending[candidate] >> 32 < best >> 32 {
                best = scratch.pending[candidate]
                position = candidate
            }
            guard best != Self.none else { break }
            scratch.symbols[position] = Symbol(truncatingIfNeeded: best)
            scratch.symbols.remove(at: position + 1)
            scratch.pending.remove(at: position)
            let last = position + 1 == scratch.symbols.count
            scratch.pending[position] = last ? Self.none : mergeWithNext(of: position, &scratch)
            if position > 0 { scratch.pending[position - 1] = mergeWithNext(of: position - 1, &scratch) }
        }
        output.append(contentsOf: scratch.symbols)
    }

    private func mergeWithNext(of position: Int, _ scratch: inout MergeScratch) -> UInt64 {
        merge(of: scratch.symbols[position], scratch.symbols[position + 1], &scratch.memory)
    }

    private func mergeByQueue(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        scratch.link(symbols)
        for position in 0..<symbols.count - 1 {
            scratch.queue.append(merge(of: symbols[position], symbols[position + 1], &scratch.memory), at: position)
        }
        scratch.queue.order()
        while let (rank, left) = scratch.queue.popFirst() {
            guard scratch.links[left].isAlive, case let right = Int(scratch.links[left].next), right >= 0 else {
                continue
            }
            // If the pair has changed since the entry was added, so has its rank, and there is another entry for it.
            let current = merge(of: scratch.symbols[left], scratch.symbols[right], &scratch.memory)
            guard current != Self.none, current >> 32 == rank else { continue }
            let merged = Symbol(truncatingIfNeeded: current)
            scratch.symbols[left] = merged
            scratch.unlink(right, after: left)
            let previous = Int(scratch.links[left].previous)
            if previous >= 0 {
                scratch.queue.push(merge(of: scratch.symbols[previous], merged, &scratch.memory), at: previous)
            }
            let next = Int(scratch.links[left].next)
            if next >= 0 { scratch.queue.push(merge(of: merged, scratch.symbols[next], &scratch.memory), at: left) }
        }
        var position = 0
        while position >= 0 {
            output.append(scratch.symbols[position])
            position = Int(scratch.links[position].next)
        }
    }
}

/// Scratch memory for calls of `BytePairMerger.merge`.
struct MergeScratch {
    /// The neighbours of a symbol; -1 if there is none.
    fileprivate struct Link {
        var previous: Int32
        var next: Int32
        var isAlive = true
    }

    fileprivate var symbols: [Symbol] = []
    fileprivate var pending: [UInt64] = []
    fileprivate var links: [Link] = []
    fileprivate var queue = MergeQueue()
    fileprivate var memory = MergeMemory()

    fileprivate mutating func link(_ symbols: Span<Symbol>) {
        self.symbols.removeAll(keepingCapacity: true)
        links.removeAll(keepingCapacity: true)
        queue.removeAll()
        for position in symbols.indices {
            self.symbols.append(symbols[position])
            let next = position + 1 < symbols.count ? position + 1 : -1
            links.append(Link(previous: Int32(truncatingIfNeeded: position - 1), next: Int32(truncatingIfNeeded: next)))
        }
    }

    fileprivate mutating func unlink(_ right: Int, after left: Int) {
        let next = links[right].next
        links[left].next = next
        if next >= 0 { links[Int(next)].previous = Int32(truncatingIfNeeded: left) }
        links[right].isAlive = false
    }
}

/// A heap of possible merges with four children per node: lowest rank first, then leftmost.
///
/// Entries are only `rank << 32 | position`, so that the four children of a node lie in half a cache line.
private struct MergeQueue {
    private var heap: [UInt64] = []

    mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

    /// Adds an entry without keeping the order, which `order()` restores. `merge` is `rank << 32 | merged symbol` or
    /// all ones.
    mutating func append(_ merge: UInt64, at position: Int) {
        guard merge != .max else { return }
        heap.append((merge >> 32) << 32 | UInt64(position))
    }

    mutating func order() {
        guard heap.count > 1 else { return }
        for position in stride(from: (heap.count - 2) / 4, through: 0, by: -1) { sink(heap[position], from: position) }
    }

    mutating func push(_ merge: UInt64, at position: Int) {
        guard merge != .max else { return }
        append(merge, at: position)
        var child = heap.count - 1
        let entry = heap[child]
        while child > 0 {
            let parent = (child - 1) / 4
            guard entry < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func popFirst() -> (rank: UInt64, position: Int)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last, from: 0) }
        return (first >> 32, Int(first & 0xFFFF_FFFF))
    }

    private mutating func sink(_ entry: UInt64, from start: Int) {
        var parent = start
        while true {
            let first = parent * 4 + 1
            guard first < heap.count else { break }
            var child = first
            for other in first + 1..<max(first + 1, min(first + 4, heap.count)) where heap[other] < heap[child] {
                child = other
            }
            guard heap[child] < entry else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = entry
    }
}
