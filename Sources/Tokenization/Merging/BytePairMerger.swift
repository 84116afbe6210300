/// A vocabulary entry or a character, as merging sees it.
///
/// Numbers below 2³¹ are token ids. A character that is no token of its own is `character` + its scalar value: merges
/// may still consume it, as SentencePiece's do.
typealias Symbol = UInt32

/// Turns a sequence of symbols into tokens by applying merges, the best first and of equals the leftmost: byte-pair
/// encoding (Sennrich et al., arXiv 1508.07909) with the priority queue over linked symbols of SentencePiece.
///
/// Both `sentencepiece` and `tokenizers` are this algorithm: the former ranks a merge by the score of the piece it
/// makes, the latter by its line in the list of merges. Complexity: O(n log n) for n symbols.
struct BytePairMerger: Sendable {
    /// The first symbol that stands for a character and not for a token.
    static let character: Symbol = 0x8000_0000
    /// Parts up to this many symbols are merged by scanning, which beats the queue while all fits a few cache lines.
    private static let scanLimit = 24
    private static let none = UInt64.max

    /// Where merges are looked up.
    enum Merges: Sendable {
        /// The merges are a list.
        case listed(MergeTable)
        /// Two symbols merge when their joint text is a piece.
        case pieces(PieceMerges)
    }

    private let merges: Merges
    private let bridges: PairFilter?

    /// Creates a merger.
    ///
    /// - Parameters:
    ///   - merges: What can be merged.
    ///   - bridges: The pairs (last initial symbol of the left part, first one of the right part) of all merges, at
    ///     least; nil when any pair may be one. Text is cut wherever two neighbours are no such pair: no merge can ever
    ///     reach across.
    init(merges: Merges, bridges: PairFilter?) {
        self.merges = merges
        self.bridges = bridges
    }

    /// The key of two neighbours.
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
        guard let bridges else { return mergePart(symbols, scratch: &scratch, into: &output) }
        var start = 0
        for place in symbols.indices {
            let next = place + 1
            if next == symbols.count || !bridges.mayContain(symbols[place], symbols[next]) {
                mergePart(symbols.extracting(start..<next), scratch: &scratch, into: &output)
                start = next
            }
        }
    }

    private func mergePart(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
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
        for place in symbols.indices {
            let next = place + 1
            scratch.symbols.append(symbols[place])
            scratch.pending.append(
                next < symbols.count ? merge(of: symbols[place], symbols[next], &scratch.memory) : Self.none)
        }
        while true {
            var best = Self.none
            var place = 0
            for candidate in scratch.pending.indices where scratch.pending[candidate] >> 32 < best >> 32 {
                best = scratch.pending[candidate]
                place = candidate
            }
            guard best != Self.none else { break }
            scratch.symbols[place] = Symbol(truncatingIfNeeded: best)
            scratch.symbols.remove(at: place + 1)
            scratch.pending.remove(at: place)
            let last = place + 1 == scratch.symbols.count
            scratch.pending[place] = last ? Self.none : mergeWithNext(of: place, &scratch)
            if place > 0 { scratch.pending[place - 1] = mergeWithNext(of: place - 1, &scratch) }
        }
        output.append(contentsOf: scratch.symbols)
    }

    private func mergeWithNext(of place: Int, _ scratch: inout MergeScratch) -> UInt64 {
        merge(of: scratch.symbols[place], scratch.symbols[place + 1], &scratch.memory)
    }

    private func mergeByQueue(_ symbols: Span<Symbol>, scratch: inout MergeScratch, into output: inout [Symbol]) {
        scratch.link(symbols)
        for place in 0..<symbols.count - 1 {
            scratch.queue.append(merge(of: symbols[place], symbols[place + 1], &scratch.memory), at: place)
        }
        scratch.queue.order()
        while let (rank, left) = scratch.queue.popFirst() {
            guard scratch.links[left].isAlive, case let right = Int(scratch.links[left].next), right >= 0 else {
                continue
            }
            // An entry is out of date when its pair has become another one in the meantime, which only grows: were the
            // rank the same, so would be the place in the queue.
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
        var place = 0
        while place >= 0 {
            output.append(scratch.symbols[place])
            place = Int(scratch.links[place].next)
        }
    }
}

/// Memory that one call of `BytePairMerger.merge` after the other uses.
struct MergeScratch {
    /// The neighbours of a symbol; -1 for none.
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
        for place in symbols.indices {
            self.symbols.append(symbols[place])
            let next = place + 1 < symbols.count ? place + 1 : -1
            links.append(Link(previous: Int32(truncatingIfNeeded: place - 1), next: Int32(truncatingIfNeeded: next)))
        }
    }

    fileprivate mutating func unlink(_ right: Int, after left: Int) {
        let next = links[right].next
        links[left].next = next
        if next >= 0 { links[Int(next)].previous = Int32(truncatingIfNeeded: left) }
        links[right].isAlive = false
    }
}

/// A heap of possible merges with four children to a node: lowest rank first, then leftmost.
///
/// Entries are `rank << 32 | place`, no more, so that the four children of a node lie in half a cache line.
private struct MergeQueue {
    private var heap: [UInt64] = []

    mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

    /// Adds without keeping the order, which `order()` then makes. `merge` is `rank << 32 | merged symbol` or all ones.
    mutating func append(_ merge: UInt64, at place: Int) {
        guard merge != .max else { return }
        heap.append((merge >> 32) << 32 | UInt64(place))
    }

    mutating func order() {
        guard heap.count > 1 else { return }
        for place in stride(from: (heap.count - 2) / 4, through: 0, by: -1) { sink(heap[place], from: place) }
    }

    mutating func push(_ merge: UInt64, at place: Int) {
        guard merge != .max else { return }
        append(merge, at: place)
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

    mutating func popFirst() -> (rank: UInt64, place: Int)? {
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
